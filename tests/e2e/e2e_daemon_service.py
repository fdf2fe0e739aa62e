#!/usr/bin/env python3
"""syncd as a service: notification, activation, watchdog, and its units. The
test plays the service manager."""

import os
import re
import signal
import socket
import subprocess
import threading
import time

import harness


class Activation(harness.TestCase):
    def listening(self, kind=socket.SOCK_STREAM, listen=True):
        handed = socket.socket(socket.AF_UNIX, kind)
        self.addCleanup(handed.close)
        handed.bind(self.path("syncd.sock"))
        if listen:
            handed.listen(128)
        return handed

    def test_serves_the_socket_handed_in(self):
        daemon = self.daemon(listen=self.listening())
        self.client(daemon).call("server.info")
        self.assertFalse(os.path.exists(daemon.socket_path + ".lock"))
        self.assertEqual(daemon.stop(), 0)
        self.assertTrue(os.path.exists(daemon.socket_path))

    def test_clients_wait_for_the_start(self):
        handed = self.listening()
        client = harness.Client(self.path("syncd.sock"))
        self.addCleanup(client.close)
        id = client.send("server.info")
        self.daemon(listen=handed)
        self.assertEqual(client.wait(id)["name"], "syncd")

    def test_restart_refuses_nobody(self):
        daemon = self.make_daemon(listen=self.listening())
        daemon.start()
        over = threading.Event()
        served, wrong = [], []

        def keep_connecting():
            while not over.is_set():
                try:
                    with harness.Client(self.path("syncd.sock")) as client:
                        client.call("server.info")
                        served.append(1)
                except (harness.Closed, BrokenPipeError):
                    pass  # it was being served when the daemon ended
                except harness.RpcError as error:
                    if error.name != "unavailable":  # the same, and told so
                        wrong.append(repr(error))
                        return
                except Exception as error:
                    wrong.append(repr(error))
                    return

        threads = [threading.Thread(target=keep_connecting) for _ in range(4)]
        for thread in threads:
            thread.start()
        for how in (daemon.stop, daemon.kill, daemon.stop, daemon.kill):
            before = len(served)
            self.wait_until(lambda: len(served) > before or wrong, "service")
            how()
            daemon.start()
        over.set()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_something_else_handed_in_is_refused(self):
        for kind, listen in ((socket.SOCK_DGRAM, False),
                             (socket.SOCK_STREAM, False)):
            daemon = self.make_daemon(listen=self.listening(kind, listen))
            daemon.launch()
            self.assertEqual(daemon.wait_exit(), 78)
            os.unlink(self.path("syncd.sock"))


class Watchdog(harness.TestCase):
    def test_is_fed_and_stops_when_the_daemon_hangs(self):
        daemon = self.daemon(watchdog_us=100000)
        daemon.wait_notified("WATCHDOG=1", 3)
        daemon.signal(signal.SIGSTOP)
        self.addCleanup(daemon.signal, signal.SIGCONT)
        self.wait_until(lambda: self.state_of(daemon) == "T", "a stopped one")
        fed = daemon.count_notified("WATCHDOG=1")
        time.sleep(0.3)  # nothing can tell us that nothing happens
        self.assertLessEqual(daemon.count_notified("WATCHDOG=1"), fed + 1)
        daemon.signal(signal.SIGCONT)
        daemon.wait_notified("WATCHDOG=1", fed + 3)

    def state_of(self, daemon):
        with open(f"/proc/{daemon.pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0]

    def test_nobody_asked(self):
        daemon = self.daemon()
        self.client(daemon).call("server.info")
        daemon.stop()
        self.assertEqual(daemon.count_notified("WATCHDOG=1"), 0)


class Idle(harness.TestCase):
    def test_sleeps_when_nothing_happens(self):
        """No polling: an idle daemon with clients does not turn its loop."""
        daemon = self.daemon()
        client = self.client(daemon)
        client.send("queue.get", queue="q")
        client.call("server.info")

        def switches():
            with open(f"/proc/{daemon.pid}/status") as status:
                return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)",
                                     status.read(), re.M).group(1))
        before = switches()
        time.sleep(1)  # the time in which nothing may happen
        self.assertLessEqual(switches() - before, 3)


class Log(harness.TestCase):
    def test_priorities_for_the_journal(self):
        daemon = self.make_daemon()
        reader, writer = os.pipe()
        status = os.fstat(writer)
        env = dict(os.environ,
                   JOURNAL_STREAM=f"{status.st_dev}:{status.st_ino}")
        run = subprocess.run([harness.SYNCD, "--socket", "/no/such/place"],
                             env=env, stderr=writer, stdin=subprocess.DEVNULL,
                             timeout=harness.PATIENCE)
        os.close(writer)
        with os.fdopen(reader) as file:
            self.assertRegex(file.read(), r"^<3>.*No such file")
        self.assertEqual(run.returncode, 73)
        self.assertIsNone(daemon.process)

    def test_a_line_cannot_be_forged(self):
        path = self.path("a\nsyncd: forged")
        run = subprocess.run([harness.SYNCD, "--config", path], text=True,
                             stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                             timeout=harness.PATIENCE)
        self.assertEqual(run.stderr.count("\n"), 1)
        self.assertIn("\\x0a", run.stderr)


class Units(harness.TestCase):
    """The unit files, with this build's syncd as the program."""

    TOP = os.path.dirname(os.path.dirname(os.path.dirname(
        os.path.abspath(__file__))))

    def units(self, folder):
        made = []
        for name in ("syncd.service", "syncd.socket"):
            template = os.path.join(self.TOP, "systemd", folder,
                                    name + ".in")
            with open(template) as file:
                text = file.read().replace(
                    "@CMAKE_INSTALL_FULL_BINDIR@",
                    os.path.abspath(harness.BIN)).replace(
                    "@SYNCD_MANUAL@", "man:syncd(8)")
            self.assertNotIn("@", re.sub(r"SystemCallFilter=.*", "", text))
            os.makedirs(self.path("units", folder), exist_ok=True)
            made.append(self.write(os.path.join("units", folder, name), text))
        return made

    def analyze(self, *arguments):
        run = subprocess.run(
            ["systemd-analyze", *arguments], text=True, capture_output=True,
            env=dict(os.environ, XDG_RUNTIME_DIR=self.directory),
            timeout=harness.PATIENCE)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        return run

    def test_units_are_clean(self):
        for user, folder in ((), ""), (("--user",), "user"):
            run = self.analyze("verify", "--man=no", *user,
                               *self.units(folder))
            self.assertEqual(run.stderr, "")

    def test_service_is_hardened(self):
        service, _ = self.units("")
        run = self.analyze("security", "--offline=true", "--threshold=5",
                           "--no-pager", service)
        self.assertRegex(run.stdout, r"exposure level.*: 0\.[0-5]")

    def test_service_sees_who_its_clients_are(self):
        for folder in ("", "user"):
            with open(self.units(folder)[0]) as file:
                self.assertNotIn("\nPrivateUsers=", file.read())


if __name__ == "__main__":
    harness.main()
