"""Real processes for end-to-end tests: a daemon, and clients that talk to it.

`Daemon` starts syncd on a socket and a data directory of its own and plays the
service manager for it: it listens on NOTIFY_SOCKET, hands sockets in, waits
for the watchdog. A daemon is ready when it says so; nothing here sleeps and
hopes.
`Client` speaks JSON-RPC over the socket: many requests at once, answers by id.

    class Mine(harness.TestCase):
        def test_something(self):
            daemon = self.daemon()
            client = self.client(daemon)
            self.assertEqual(client.call("server.info")["name"], "syncd")

The binaries are looked for in the directory SYNCD_BIN, or the one that is
named as the first argument. Every wait has a limit
that is far beyond what is needed; it is there so that a broken daemon fails a
test instead of hanging it.
"""

import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

BIN = os.environ.get("SYNCD_BIN", "build/bin")
if len(sys.argv) > 1 and os.path.isdir(sys.argv[1]):
    BIN = sys.argv.pop(1)
SYNCD = os.path.join(BIN, "syncd")
SYNCCTL = os.path.join(BIN, "syncctl")

# Seconds; see above.
PATIENCE = float(os.environ.get("SYNCD_TEST_PATIENCE", "60"))

SANITIZER = re.compile(r"ERROR: \w+Sanitizer|runtime error:|CHECK failed")


class RpcError(Exception):
    """An error reply."""

    def __init__(self, error):
        super().__init__(f"{error.get('code')}: {error.get('message')}")
        self.code = error["code"]
        self.message = error["message"]
        self.data = error.get("data", {})
        self.name = self.data.get("name")


class Closed(Exception):
    """The daemon has ended the connection."""


class Client:
    """One connection. Not for several threads at once."""

    def __init__(self, path, timeout=PATIENCE):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.buffer = bytearray()
        self.scanned = 0
        self.last_id = 0
        self.answers = {}

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send_raw(self, data):
        self.socket.sendall(data)

    def send(self, method, **params):
        """Sends a request and returns its id."""
        self.last_id += 1
        self.send_raw(request(self.last_id, method, params))
        return self.last_id

    def notify(self, method, **params):
        self.send_raw(request(None, method, params))

    def read_line(self):
        """The next line without its LF, or None at the end."""
        while True:
            end = self.buffer.find(b"\n", self.scanned)
            if end >= 0:
                line = bytes(self.buffer[:end])
                del self.buffer[:end + 1]
                self.scanned = 0
                return line
            self.scanned = len(self.buffer)
            try:
                more = self.socket.recv(1 << 18)
            except ConnectionResetError:
                return None
            if not more:
                return None
            self.buffer += more

    def read(self):
        """The next message, decoded; Closed at the end."""
        line = self.read_line()
        if line is None:
            raise Closed()
        return json.loads(line)

    def reply(self, id):
        """The whole reply to a request, whatever comes before it."""
        while id not in self.answers:
            message = self.read()
            if isinstance(message, list):
                for one in message:
                    self.answers[one.get("id")] = one
            else:
                self.answers[message.get("id")] = message
        return self.answers.pop(id)

    def wait(self, id):
        """The result of a request; RpcError if it is an error."""
        reply = self.reply(id)
        if "error" in reply:
            raise RpcError(reply["error"])
        return reply["result"]

    def call(self, method, **params):
        return self.wait(self.send(method, **params))

    def half_close(self):
        """No more input, as `nc -N` does at its end."""
        self.socket.shutdown(socket.SHUT_WR)

    def rest(self):
        """All messages until the daemon ends the connection."""
        messages = []
        while (line := self.read_line()) is not None:
            messages.append(json.loads(line))
        return messages

    def has_input(self):
        """Is anything there to be read right now?"""
        return bool(self.buffer) or bool(
            select.select([self.socket], [], [], 0)[0])


def request(id, method, params=None):
    """A request as a line; without an id a notification."""
    message = {"jsonrpc": "2.0", "method": method}
    if id is not None:
        message["id"] = id
    if params:
        message["params"] = params
    return json.dumps(message, ensure_ascii=False).encode() + b"\n"


class Daemon:
    """syncd as a process. See the arguments of `__init__`."""

    def __init__(self, directory, options=(), store="sqlite", socket_path=None,
                 config=None, env=None, listen=None, watchdog_us=None,
                 nofile=None, user=None, defaults=True):
        """`directory`: where everything lies. `listen`: a listening socket to
        hand in. `nofile`: its limit of file descriptors, hard and soft; so
        is the attribute `file_bytes_max` of the size of files.
        `defaults` False: only `options` are given on the command line."""
        self.directory = directory
        self.socket_path = socket_path or os.path.join(directory, "syncd.sock")
        self.data = os.path.join(directory, "data")
        self.options = list(options)
        if defaults:
            if listen is None:
                self.options += ["--socket", self.socket_path]
            self.options += ["--data", self.data, "--store", store]
            if config is None:
                config = os.path.join(directory, "none.conf")
                open(config, "a").close()
        if config is not None:
            self.options += ["--config", config]
        self.env = dict(env or {})
        self.listen = listen
        self.watchdog_us = watchdog_us
        self.nofile = nofile
        self.file_bytes_max = None
        self.user = user
        self.process = None
        self.notifications = []
        self.log = []
        self.lock = threading.Condition()
        self.threads = []

    # Starting.

    def _environment(self, notify_path):
        keep = ("PATH", "HOME", "LANG", "ASAN_OPTIONS", "UBSAN_OPTIONS",
                "TSAN_OPTIONS", "LSAN_OPTIONS")
        env = {name: os.environ[name] for name in keep if name in os.environ}
        env["NOTIFY_SOCKET"] = notify_path
        if self.watchdog_us is not None:
            env["WATCHDOG_USEC"] = str(self.watchdog_us)
        env.update(self.env)
        return env

    def _tracer(self):
        """With SYNCD_TRACES=DIR every daemon of every test leaves there what
        it called of the system; see tests/e2e/syscalls."""
        folder = os.environ.get("SYNCD_TRACES")
        if folder is None:
            return []
        handle, path = tempfile.mkstemp(prefix="trace.", dir=folder)
        os.fchmod(handle, 0o666)
        os.close(handle)
        return ["strace", "-D", "-f", "-qq", "-o", path]

    def _command(self):
        command = [*self._tracer(), SYNCD, *self.options]
        limits = {"nofile": self.nofile, "fsize": self.file_bytes_max}
        for name, most in limits.items():
            if most is not None:
                command = ["prlimit", f"--{name}={most}:{most}", "--",
                           *command]
        if self.user is not None:
            command = ["setpriv", f"--reuid={self.user}",
                       f"--regid={self.user}", "--clear-groups", *command]
        if self.listen is not None:
            # The manager tells the process its own id, known only in there.
            script = ('export LISTEN_PID=$$ LISTEN_FDS=1; n=$1; shift; '
                      'eval "exec \\"\\$@\\" 3<&$n"')
            command = ["/bin/sh", "-c", script, "sh",
                       str(self.listen.fileno()), *command]
        return command

    def launch(self):
        """Starts the process without waiting for anything."""
        notify_path = os.path.join(self.directory, "notify")
        if os.path.exists(notify_path):
            os.unlink(notify_path)
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(notify_path)
        os.chmod(notify_path, 0o777)
        self.notifications = []
        self.log = []
        self.process = subprocess.Popen(
            self._command(), env=self._environment(notify_path),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=[self.listen.fileno()] if self.listen else ())
        over = os.pipe()
        self.threads = [
            threading.Thread(target=self._read_notifications,
                             args=(notify, over[0]), daemon=True),
            threading.Thread(target=self._read_log,
                             args=(self.process, over[1]), daemon=True),
        ]
        for thread in self.threads:
            thread.start()
        return self

    def start(self):
        """Starts it and waits until it says that it is ready."""
        self.launch()
        try:
            self.wait_notified("READY=1")
        except AssertionError:
            self.kill()
            raise
        return self

    def _read_notifications(self, notify, over):
        while True:
            readable, _, _ = select.select([notify, over], [], [])
            if notify in readable:
                text = notify.recv(1 << 16).decode()
                with self.lock:
                    self.notifications.append(
                        (time.monotonic(), text.split("\n")))
                    self.lock.notify_all()
            elif over in readable:
                notify.close()
                os.close(over)
                return

    def _read_log(self, process, over):
        for line in process.stderr:
            with self.lock:
                self.log.append(line.decode(errors="replace").rstrip("\n"))
                self.lock.notify_all()
        process.stderr.close()
        process.wait()
        os.close(over)
        with self.lock:
            self.lock.notify_all()

    # Waiting.

    def _wait_for(self, found, what):
        limit = time.monotonic() + PATIENCE
        with self.lock:
            while not (result := found()):
                left = limit - time.monotonic()
                if self.process.poll() is not None and not any(
                        t.is_alive() for t in self.threads):
                    raise AssertionError(
                        f"syncd ended with {self.process.returncode} before "
                        f"{what}:\n" + "\n".join(self.log))
                if left <= 0:
                    raise AssertionError(
                        f"no {what} in {PATIENCE} s:\n" + "\n".join(self.log))
                self.lock.wait(min(left, 0.1))
            return result

    def count_notified(self, word):
        with self.lock:
            return sum(word in words for _, words in self.notifications)

    def wait_notified(self, word, times=1):
        """Waits until the manager was told `word` so often in all."""
        self._wait_for(
            lambda: sum(word in words
                        for _, words in self.notifications) >= times,
            f"notification {word}")

    def wait_log(self, text, times=1):
        """Waits for a log line that contains `text`; the last such line."""
        def found():
            lines = [line for line in self.log if text in line]
            return lines[-1] if len(lines) >= times else None
        return self._wait_for(found, f"log line {text!r}")

    def wait_exit(self):
        """Waits for the end of the process; its exit status."""
        status = self.process.wait(PATIENCE)
        for thread in self.threads:
            thread.join(PATIENCE)
        return status

    # Ending.

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        """Ends it as a service manager does; its exit status."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.wait_exit()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        return self.wait_exit()

    def restart(self):
        self.stop()
        return self.start()

    # Looking.

    @property
    def pid(self):
        return self.process.pid

    def client(self, **options):
        return Client(self.socket_path, **options)

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_bytes(self):
        with open(f"/proc/{self.pid}/status") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    def fd_count(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


class TestCase(unittest.TestCase):
    """Makes daemons and clients that end with the test."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="syncd-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.ready_made = 0

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def make_daemon(self, **arguments):
        """A daemon that is not started yet."""
        arguments.setdefault("directory", self.directory)
        daemon = Daemon(**arguments)
        self.addCleanup(self._end, daemon)
        return daemon

    def daemon(self, **arguments):
        return self.make_daemon(**arguments).start()

    def _end(self, daemon):
        if daemon.process is None:
            return
        was_running = daemon.process.poll() is None
        status = daemon.stop()
        log = "\n".join(daemon.log)
        self.assertIsNone(SANITIZER.search(log), log)
        if was_running:
            self.assertEqual(status, 0, log)

    def client(self, daemon, **options):
        client = daemon.client(**options)
        self.addCleanup(client.close)
        return client

    def wait_until(self, condition, what):
        """For what nobody can be notified of, such as figures in /proc."""
        limit = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), limit, f"never came: {what}")
            time.sleep(0.005)

    def is_at_rest(self, daemon):
        """Does it use no time of the processor at the moment?"""
        before = daemon.cpu_seconds()
        time.sleep(0.3)  # nothing can tell us that nothing happens
        return daemon.cpu_seconds() - before <= 0.02

    def write(self, name, text):
        path = self.path(name)
        with open(path, "w") as file:
            file.write(text)
        return path

    def assertRpcError(self, name, call, *args, **params):
        with self.assertRaises(RpcError) as caught:
            call(*args, **params)
        self.assertEqual(caught.exception.name, name)
        return caught.exception


def main():
    unittest.main(verbosity=2)
