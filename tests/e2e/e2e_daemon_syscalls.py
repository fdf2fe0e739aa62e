#!/usr/bin/env python3
"""The system calls of the daemon lie within the filter of its unit.

The daemon runs under strace while it does one of everything: starts on a new
and on an old directory, is handed a socket, takes large and small jobs over
many connections, reads its configuration again, meets a failing disk, ends. What
it called is held against the SystemCallFilter= of systemd/syncd.service.in, as
systemd itself spells its sets out. A call that the filter denies would be
refused there, with EPERM, and nobody would know before it is in service.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import unittest

import harness
import users

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))

# What the sanitizers of the test build call besides, at the start and the end.
OF_SANITIZERS = {"personality", "sched_getaffinity", "prctl", "ptrace"}

# Refused by the unit, and known to be: fewer clients, if the limit is not
# raised there already.
REFUSED_KNOWINGLY = {"setrlimit"}


def members(name):
    """Every system call in a set of systemd, sets in it included."""
    run = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager",
                          name], text=True, capture_output=True, check=True)
    found = set()
    for line in run.stdout.splitlines()[1:]:
        word = line.strip()
        if word.startswith("@"):
            found |= members(word)
        elif word and not word.startswith("#"):
            found.add(word)
    return found


def allowed(unit):
    """By the SystemCallFilter= lines of a unit, in their order; @default is
    always let through."""
    with open(os.path.join(TOP, "systemd", unit)) as file:
        lines = re.findall(r"^SystemCallFilter=(~?)(.*)$", file.read(), re.M)
    calls = members("@default")
    for closes, words in lines:
        for word in words.split():
            some = members(word) if word.startswith("@") else {word}
            calls = calls - some if closes else calls | some
    return calls


def may_trace():
    """ptrace is not allowed in every container."""
    if not shutil.which("strace"):
        return False
    return subprocess.run(["strace", "-D", "-f", "-o", "/dev/null", "true"],
                          capture_output=True).returncode == 0


class Traced(harness.Daemon):
    """A daemon whose system calls are written to `trace`, by a tracer that is
    no parent of it: signals and exit status are its own."""

    def __init__(self, *args, trace, program, **kwargs):
        super().__init__(*args, **kwargs)
        self.trace = trace
        self.program = program

    def _command(self):
        command = super()._command()
        command[command.index(harness.SYNCD)] = self.program
        # Not the tracer, but what it traces has the limits.
        at = command.index("prlimit" if "prlimit" in command else self.program)
        return [*command[:at], "strace", "-D", "-f", "-qq", "-o", self.trace,
                *command[at:]]

    def _environment(self, notify_path):
        # Leaks cannot be looked for under a tracer.
        return dict(super()._environment(notify_path),
                    ASAN_OPTIONS="detect_leaks=0")


@unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze")
@unittest.skipUnless(may_trace(), "no strace, or it is not allowed here")
class SystemCalls(harness.TestCase):
    def setUp(self):
        super().setUp()
        os.chmod(self.directory, 0o777)
        self.program = self.path("syncd")
        shutil.copy(harness.SYNCD, self.program)
        os.chmod(self.program, 0o755)
        self.traces = []
        # As the service does: not as root, for whom SQLite calls more.
        self.user = users.ADA if users.can_be_others() else None

    def traced(self, **arguments):
        trace = self.path(f"trace{len(self.traces)}")
        self.traces.append(trace)
        daemon = Traced(self.directory, trace=trace, program=self.program,
                        user=self.user, **arguments)
        self.addCleanup(self._end, daemon)
        return daemon

    def seen(self):
        """The calls of all traces, once their tracers have written them."""
        calls = set()
        for trace in self.traces:
            self.wait_until(lambda: self.is_whole(trace), "a whole trace")
            with open(trace, errors="replace") as file:
                for line in file:
                    match = re.match(r"\d+ +(?:<\.\.\. )?(\w+)[ (]", line)
                    if match:
                        calls.add(match[1])
        return calls

    def is_whole(self, trace):
        with open(trace, errors="replace") as file:
            return "exit_group(" in file.read()[-3000:]

    def work(self, daemon):
        client = self.client(daemon)
        client.call("session.open", grace=5)
        others = [self.client(daemon) for _ in range(50)]
        for i, other in enumerate(others):
            other.send("queue.get", queue=f"q{i % 5}")
        for i in range(200):
            client.call("queue.put", queue=f"q{i % 5}", body=i)
        client.call("queue.put", queue="big", body="x" * 3000000)
        client.call("queue.get", queue="big", take=True)
        client.call("lock.acquire", lock="l")
        client.call("event.set", event="e")
        client.call("barrier.wait", barrier="b", parties=1)
        client.call("queue.put", queue="d", body=1, delay=0.01)
        client.call("queue.get", queue="d", take=True)
        client.send_raw(b"not json\n")
        self.assertIsNotNone(client.reply(None))
        for other in others:
            other.close()
        client.call("queue.purge", queue="q1", states=["ready"])
        self.assertIn("gauges", client.call("server.stats"))

    def reload(self, daemon):
        ready = daemon.count_notified("READY=1")
        daemon.signal(signal.SIGHUP)
        daemon.wait_notified("READY=1", ready + 1)

    def test_within_the_filter(self):
        daemon = self.traced(watchdog_us=2000000).start()
        self.work(daemon)
        self.reload(daemon)
        daemon.wait_notified("WATCHDOG=1", 2)
        self.assertEqual(daemon.stop(), 0)
        again = self.traced().start()  # on what is there
        self.work(again)
        self.assertEqual(again.stop(), 0)
        self.traced_failing_store()
        self.traced_handed_in()
        self.assertGreater(len(self.seen()), 30)
        for unit in ("syncd.service.in", "user/syncd.service.in"):
            beyond = (self.seen() - allowed(unit) - OF_SANITIZERS -
                      REFUSED_KNOWINGLY)
            self.assertEqual(sorted(beyond), [], unit)

    def traced_failing_store(self):
        """Beyond a limit on the size of files no write succeeds."""
        daemon = self.traced()
        daemon.file_bytes_max = 8 << 20
        daemon.start()
        client = self.client(daemon)
        with self.assertRaises(harness.Closed):
            while True:
                client.call("queue.put", queue="f", body="x" * 500000)
        self.assertEqual(daemon.wait_exit(), 74)

    def traced_handed_in(self):
        path = self.path("in.sock")
        listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(listening.close)
        listening.bind(path)
        os.chmod(path, 0o666)
        listening.listen(128)
        daemon = self.traced(listen=listening, store="memory",
                             socket_path=path).start()
        self.work(daemon)
        self.assertEqual(daemon.stop(), 0)

    def test_a_call_beyond_it_would_be_found(self):
        """The other side: the sets are no catch-all."""
        calls = allowed("syncd.service.in")
        self.assertTrue({"read", "fsync", "accept4", "epoll_pwait"} <= calls)
        self.assertFalse({"mount", "chown", "setuid", "bpf", "reboot",
                          "io_uring_setup", "kexec_load"} & calls)


if __name__ == "__main__":
    harness.main()
