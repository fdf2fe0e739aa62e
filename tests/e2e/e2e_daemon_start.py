#!/usr/bin/env python3
"""How syncd starts: its socket, its locks, its places, its options."""

import grp
import os
import shutil
import signal
import socket
import stat
import subprocess

import harness


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


class Start(harness.TestCase):
    def test_starts_says_so_and_stops(self):
        daemon = self.daemon()
        self.assertEqual(self.client(daemon).call("server.info")["pid"],
                         daemon.pid)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(daemon.count_notified("STOPPING=1"), 1)
        self.assertFalse(os.path.exists(daemon.socket_path))

    def test_interrupt_ends_it_too(self):
        daemon = self.daemon()
        daemon.signal(signal.SIGINT)
        self.assertEqual(daemon.wait_exit(), 0)

    def test_memory_store_needs_no_directory(self):
        daemon = self.daemon(store="memory")
        info = self.client(daemon).call("server.info")
        self.assertEqual(info["store"], "memory")
        self.assertFalse(os.path.exists(daemon.data))

    def test_what_was_put_is_there_after_a_restart(self):
        daemon = self.daemon()
        with daemon.client() as client:
            id = client.call("queue.put", queue="q", body="kept")["id"]
        daemon.restart()
        job = self.client(daemon).call("queue.get", queue="q")["jobs"][0]
        self.assertEqual((job["id"], job["body"]), (id, "kept"))


class Socket(harness.TestCase):
    def test_permissions(self):
        daemon = self.daemon()
        self.client(daemon).call("queue.put", queue="q", body=1)
        self.assertEqual(mode_of(daemon.socket_path), 0o600)
        self.assertEqual(mode_of(daemon.socket_path + ".lock"), 0o600)
        self.assertEqual(mode_of(daemon.data), 0o700)
        for name in os.listdir(daemon.data):
            self.assertEqual(mode_of(os.path.join(daemon.data, name)), 0o600,
                             name)

    def test_mode_and_group_as_configured(self):
        group = os.getgid()
        name = grp.getgrgid(group).gr_name
        config = self.write("syncd.conf", "socket_mode = 0660\n"
                            f"socket_group = {name}\n")
        daemon = self.daemon(config=config)
        self.assertEqual(mode_of(daemon.socket_path), 0o660)
        self.assertEqual(os.stat(daemon.socket_path).st_gid, group)

    def test_unknown_group_is_refused(self):
        config = self.write("syncd.conf", "socket_group = no-such-group\n")
        daemon = self.make_daemon(config=config).launch()
        self.assertEqual(daemon.wait_exit(), 73)
        self.assertIn("no-such-group", "\n".join(daemon.log))
        self.assertFalse(os.path.exists(daemon.socket_path))

    def test_stale_socket_is_taken_over(self):
        daemon = self.daemon()
        daemon.kill()
        self.assertTrue(os.path.exists(daemon.socket_path))
        daemon.start()
        self.client(daemon).call("server.info")

    def test_living_socket_of_somebody_else_is_left_alone(self):
        other = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(other.close)
        other.bind(self.path("syncd.sock"))
        other.listen(1)
        daemon = self.make_daemon().launch()
        self.assertEqual(daemon.wait_exit(), 73)
        self.assertIn("answers", daemon.log[-1])
        probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(probe.close)
        probe.connect(self.path("syncd.sock"))

    def test_a_file_in_the_way_is_left_alone(self):
        path = self.write("syncd.sock", "precious")
        daemon = self.make_daemon().launch()
        self.assertEqual(daemon.wait_exit(), 73)
        self.assertIn("in the way", daemon.log[-1])
        with open(path) as file:
            self.assertEqual(file.read(), "precious")

    def test_second_daemon_on_the_socket_is_refused(self):
        first = self.daemon()
        os.mkdir(self.path("second"))
        second = self.make_daemon(directory=self.path("second"),
                                  socket_path=first.socket_path).launch()
        self.assertEqual(second.wait_exit(), 73)
        self.assertIn("another syncd", second.log[-1])
        self.client(first).call("server.info")

    def test_second_daemon_on_the_data_is_refused(self):
        first = self.daemon()
        os.mkdir(self.path("second"))
        second = self.make_daemon(directory=self.path("second"))
        second.options += ["--data", first.data]
        second.launch()
        self.assertEqual(second.wait_exit(), 73)
        self.assertFalse(os.path.exists(second.socket_path))
        self.client(first).call("queue.put", queue="q", body=1)

    def test_lock_outlives_the_socket_file(self):
        first = self.daemon()
        os.unlink(first.socket_path)
        os.mkdir(self.path("second"))
        second = self.make_daemon(directory=self.path("second"),
                                  socket_path=first.socket_path).launch()
        self.assertEqual(second.wait_exit(), 73)

    def test_only_its_own_socket_is_removed_at_the_end(self):
        daemon = self.daemon()
        os.unlink(daemon.socket_path)
        other = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(other.close)
        other.bind(daemon.socket_path)
        self.assertEqual(daemon.stop(), 0)
        self.assertTrue(os.path.exists(daemon.socket_path))

    def test_lock_file_that_is_a_link_is_refused(self):
        os.symlink(self.path("elsewhere"), self.path("syncd.sock.lock"))
        daemon = self.make_daemon().launch()
        self.assertEqual(daemon.wait_exit(), 73)
        self.assertFalse(os.path.exists(self.path("elsewhere")))

    def test_longest_path_and_one_byte_more(self):
        stem = self.path("s")
        longest = stem + "x" * (107 - len(stem))
        daemon = self.daemon(socket_path=longest)
        self.client(daemon).call("server.info")
        daemon.stop()
        longer = self.make_daemon(socket_path=longest + "x").launch()
        self.assertEqual(longer.wait_exit(), 73)
        self.assertIn("107", longer.log[-1])

    def test_no_window_for_others(self):
        """Until it listens nobody can connect, and from then on the mode
        holds: a foreign user who tries all the time never gets in."""
        if os.getuid() != 0:
            self.skipTest("needs two users")
        os.chmod(self.directory, 0o711)
        script = ("import socket, sys\n"
                  "while True:\n"
                  "    s = socket.socket(socket.AF_UNIX)\n"
                  "    try:\n"
                  "        s.connect(sys.argv[1])\n"
                  "        sys.exit(1)\n"
                  "    except (PermissionError, FileNotFoundError,\n"
                  "            ConnectionRefusedError):\n"
                  "        pass\n"
                  "    s.close()\n")
        foreign = subprocess.Popen(
            ["setpriv", "--reuid=1234", "--regid=1234", "--clear-groups",
             "python3", "-c", script, self.path("syncd.sock")],
            stdin=subprocess.DEVNULL)
        self.addCleanup(foreign.wait)
        self.addCleanup(foreign.kill)
        daemon = self.make_daemon(store="memory")
        for _ in range(10):
            daemon.start()
            daemon.stop()
        self.assertIsNone(foreign.poll())


class Places(harness.TestCase):
    """Where things are without options, for an ordinary user."""

    def setUp(self):
        super().setUp()
        # Root has the service's places; then somebody else does this.
        self.uid = os.getuid() or 1234
        os.chmod(self.directory, 0o711)
        self.make("run", "home")

    def make(self, *names):
        for name in names:
            os.mkdir(self.path(name), 0o700)
            os.chown(self.path(name), self.uid, -1)

    def user_daemon(self, env):
        user = self.uid if os.getuid() == 0 else None
        return self.make_daemon(user=user, defaults=False,
                                env=dict(HOME=self.path("home"), **env))

    def test_xdg(self):
        daemon = self.user_daemon({"XDG_RUNTIME_DIR": self.path("run")})
        daemon.socket_path = self.path("run", "syncd", "syncd.sock")
        daemon.start()
        self.client(daemon).call("queue.put", queue="q", body=1)
        state = self.path("home", ".local", "state", "syncd")
        self.assertTrue(os.path.exists(os.path.join(state, "syncd.db")))
        for made in (state, self.path("home", ".local"),
                     self.path("run", "syncd")):
            self.assertEqual(mode_of(made), 0o700, made)

    def test_xdg_state_and_config(self):
        self.make("state", "config", "config/syncd")
        self.write("config/syncd/syncd.conf", "max_pending = 7\n")
        daemon = self.user_daemon({
            "XDG_RUNTIME_DIR": self.path("run"),
            "XDG_STATE_HOME": self.path("state"),
            "XDG_CONFIG_HOME": self.path("config")})
        daemon.socket_path = self.path("run", "syncd", "syncd.sock")
        daemon.start()
        limits = self.client(daemon).call("server.info")["limits"]
        self.assertEqual(limits["max_pending"], 7)
        self.assertTrue(os.path.exists(self.path("state", "syncd",
                                                 "syncd.db")))

    def test_without_a_runtime_directory(self):
        fallback = f"/tmp/syncd-{self.uid}"
        for place in (fallback, f"/run/user/{self.uid}"):
            if os.path.lexists(place):
                self.skipTest(f"{place} is there already")
        daemon = self.user_daemon({})
        daemon.socket_path = fallback + "/syncd.sock"
        self.addCleanup(shutil.rmtree, fallback, ignore_errors=True)
        daemon.start()
        self.client(daemon).call("server.info")
        self.assertEqual(mode_of(fallback), 0o700)
        daemon.stop()
        os.chmod(fallback, 0o777)
        daemon.launch()
        self.assertEqual(daemon.wait_exit(), 73)
        self.assertIn(fallback, daemon.log[-1])

    def test_from_the_service_manager(self):
        self.make("state", "etc")
        self.write("etc/syncd.conf", "max_pending = 8\n")
        daemon = self.user_daemon({
            "RUNTIME_DIRECTORY": self.path("run"),
            "STATE_DIRECTORY": self.path("state"),
            "CONFIGURATION_DIRECTORY": self.path("etc")})
        daemon.socket_path = self.path("run", "syncd.sock")
        daemon.start()
        limits = self.client(daemon).call("server.info")["limits"]
        self.assertEqual(limits["max_pending"], 8)
        self.assertTrue(os.path.exists(self.path("state", "syncd.db")))


class Options(harness.TestCase):
    def run_syncd(self, *options):
        return subprocess.run([harness.SYNCD, *options], text=True,
                              stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=harness.PATIENCE)

    def test_help_and_version(self):
        helped = self.run_syncd("--help")
        self.assertEqual(helped.returncode, 0)
        for option in ("--socket", "--data", "--store", "--config", "--log",
                       "--check-config", "Exit status"):
            self.assertIn(option, helped.stdout)
        version = self.run_syncd("--version")
        self.assertRegex(version.stdout, r"^syncd \d+\.\d+\.\d+\n$")
        self.assertEqual(version.returncode, 0)

    def test_wrong_usage(self):
        for options, hint in [(["--sockett", "x"], "--sockett"),
                              (["--socket"], "--socket needs a value"),
                              (["extra"], "'extra'"),
                              (["-x"], "-x"),
                              (["--store", "disk"], "sqlite memory"),
                              (["--log", "paper"], "stderr journal")]:
            with self.subTest(options):
                run = self.run_syncd(*options)
                self.assertEqual(run.returncode, 2, run.stderr)
                self.assertEqual(run.stdout, "")
                self.assertEqual(run.stderr.count("\n"), 1, run.stderr)
                self.assertIn(hint, run.stderr)

    def test_no_such_directory_for_the_socket(self):
        run = self.run_syncd("--socket", self.path("no", "s"), "--store",
                             "memory")
        self.assertEqual(run.returncode, 73)
        self.assertIn("No such file or directory", run.stderr)

    def test_full_standard_output_is_a_failure(self):
        with open("/dev/full", "w") as full:
            run = subprocess.run([harness.SYNCD, "--help"], stdout=full,
                                 stderr=subprocess.DEVNULL,
                                 timeout=harness.PATIENCE)
        self.assertEqual(run.returncode, 74)


if __name__ == "__main__":
    harness.main()
