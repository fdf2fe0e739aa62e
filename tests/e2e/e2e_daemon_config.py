#!/usr/bin/env python3
"""The configuration: what --check-config says, and what a SIGHUP changes."""

import signal
import subprocess

import harness


def check(*options):
    return subprocess.run([harness.SYNCD, "--check-config", *options],
                          text=True, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=harness.PATIENCE)


class Check(harness.TestCase):
    def values(self, *options):
        run = check(*options)
        self.assertEqual(run.returncode, 0, run.stderr)
        lines = [line.split(" # ") for line in run.stdout.splitlines()]
        return {line.split(" = ")[0]: (line.split(" = ")[1], origin)
                for line, origin in lines}

    def test_defaults_file_and_options(self):
        config = self.write("c", "max_memory = 2G # plenty\n"
                            "store = memory\n\nlog_level = debug\n")
        values = self.values("--config", config, "--store", "sqlite")
        self.assertEqual(values["max_memory"], (str(2 << 30), "file"))
        self.assertEqual(values["store"], ("sqlite", "option"))
        self.assertEqual(values["log_level"], ("debug", "file"))
        self.assertEqual(values["max_message"], (str(4 << 20), "default"))

    def test_what_it_prints_it_reads(self):
        config = self.write("c", 'socket = "/a \\"b\\" \\\\ c"\n'
                            "socket_mode = 0660\n")
        first = self.values("--config", config)
        again = self.write("d", check("--config", config).stdout)
        second = self.values("--config", again)
        self.assertEqual({key: value for key, (value, _) in first.items()},
                         {key: value for key, (value, _) in second.items()})
        self.assertEqual(first["socket_mode"][0], "0660")

    def test_default_configuration_is_the_defaults(self):
        default = subprocess.run([harness.SYNCD, "--default-config"],
                                 text=True, capture_output=True,
                                 timeout=harness.PATIENCE).stdout
        commented = self.write("c", default)
        in_force = self.values("--config", commented)
        bare = self.write("d", "\n".join(
            line[1:] if line[:1] == "#" and line[1:2].islower() else ""
            for line in default.splitlines()))
        uncommented = self.values("--config", bare)
        self.assertEqual(set(in_force), set(uncommented))
        for key, (value, origin) in in_force.items():
            self.assertEqual(origin, "default")
            self.assertEqual(uncommented[key], (value, "file"))

    def test_mistakes_with_file_and_line(self):
        for text, line, hint in [
                ("max_mesage = 1M\n", 1, "did you mean 'max_message'?"),
                ("\n\nzebra = 1\n", 3, "--default-config"),
                ("# x\nmax_message = 12\n", 2, "from 4096 to"),
                ("max_message = 4X\n", 1, "'4X'"),
                ("max_message = -1\n", 1, "'-1'"),
                ("max_message = 99999999999999999999\n", 1, "from 4096"),
                ("max_memory = 9000000000G\n", 1, "max_memory"),
                ("max_connections = 1K\n", 1, "'1K'"),
                ("threads = 0\n", 1, "from 1 to 64"),
                ("\nstore = disk\n", 2, "sqlite memory"),
                ("store = ''\n", 1, "sqlite memory"),
                ("socket_mode = 999\n", 1, "octal"),
                ("socket_mode = 07777\n", 1, "octal"),
                ("log_level = loud\n", 1, "debug"),
                ("/* a\n b */ threads = 1 # x\n// y\nthreads = 0", 4, "64"),
                ("socket = a#b\nthreads = 0", 2, "64"),
                ("socket = a//b\nthreads = 0", 2, "64"),
                ("socket = '#' # '\nthreads = 0", 2, "64"),
                ("store memory\n", 1, ""),
                ("store = memory\n}\n", 2, ""),
                ("limits {\n}\n", 1, "unknown key"),
                ("\"(error)\" = 1\n", 1, "")]:
            with self.subTest(text):
                config = self.write("c", text)
                run = check("--config", config)
                self.assertEqual(run.returncode, 78, run.stdout)
                self.assertEqual(run.stdout, "")
                self.assertIn(f"{config}:{line}: ", run.stderr)
                self.assertIn(hint, run.stderr)
                self.assertEqual(run.stderr.count("\n"), 1, run.stderr)

    def test_file_that_is_not_there(self):
        run = check("--config", self.path("none"))
        self.assertEqual(run.returncode, 78)
        self.assertIn("No such file", run.stderr)

    def test_daemon_does_not_start_with_a_mistake(self):
        config = self.write("c", "stroe = memory\n")
        daemon = self.make_daemon(config=config).launch()
        self.assertEqual(daemon.wait_exit(), 78)
        self.assertIn(f"{config}:1:", daemon.log[-1])


class Reload(harness.TestCase):
    def reload(self, daemon, text):
        self.write("c", text)
        ready = daemon.count_notified("READY=1")
        daemon.signal(signal.SIGHUP)
        daemon.wait_notified("READY=1", ready + 1)
        self.assertEqual(daemon.count_notified("RELOADING=1"), ready)

    def limits(self, client):
        return client.call("server.info")["limits"]

    def test_limits_change_at_once(self):
        daemon = self.daemon(config=self.write("c", "max_pending = 10\n"))
        client = self.client(daemon)
        self.assertEqual(self.limits(client)["max_pending"], 10)
        self.reload(daemon, "max_pending = 20\nmax_message = 5000\n")
        self.assertEqual(self.limits(client)["max_pending"], 20)
        # Of a connection that is open already, too.
        client.send("queue.put", queue="q", body="x" * 6000)
        error = client.reply(None)["error"]
        self.assertEqual((error["data"]["name"], error["data"]["value"]),
                         ("limit", 5000))
        self.assertEqual(client.rest(), [])

    def test_log_level(self):
        daemon = self.daemon(config=self.write("c", "log_level = error\n"))
        self.assertEqual(daemon.log, [])
        self.reload(daemon, "log_level = info\n")
        daemon.wait_log("reloaded")

    def test_mistake_keeps_what_was(self):
        daemon = self.daemon(config=self.write("c", "max_pending = 10\n"))
        client = self.client(daemon)
        self.reload(daemon, "max_pending = 20\nmax_pendign = 30\n")
        line = daemon.wait_log("stays as it was")
        self.assertIn(self.path("c") + ":2:", line)
        self.assertEqual(self.limits(client)["max_pending"], 10)
        self.reload(daemon, "max_pending = 30\n")
        self.assertEqual(self.limits(client)["max_pending"], 30)

    def test_options_still_come_first(self):
        daemon = self.daemon(config=self.write("c", "log_level = info\n"))
        self.reload(daemon, 'socket = "/elsewhere"\nstore = memory\n')
        daemon.wait_log("reloaded")
        self.assertNotIn("next start", "\n".join(daemon.log))

    def test_what_needs_a_restart_is_said(self):
        daemon = self.daemon(config=self.write("c", "threads = 2\n"))
        self.reload(daemon, "threads = 3\nsocket_mode = 0660\n")
        daemon.wait_log("socket_mode has changed")
        daemon.wait_log("threads has changed")
        self.client(daemon).call("server.info")

    def test_max_connections(self):
        daemon = self.daemon(config=self.write("c", "max_connections = 2\n"))
        first, second = self.client(daemon), self.client(daemon)
        self.limits(first)
        self.limits(second)
        third = self.client(daemon)
        error = third.read()["error"]
        self.assertEqual(error["data"]["limit"], "max_connections")
        self.assertEqual(error["data"]["value"], 2)
        self.assertEqual(third.rest(), [])
        self.reload(daemon, "max_connections = 3\n")
        self.limits(self.client(daemon))


if __name__ == "__main__":
    harness.main()
