"""What the end-to-end tests of syncctl share: runs it against a daemon."""

import json
import os
import subprocess

import harness


class Ran:
    """A syncctl that has ended."""

    def __init__(self, status, out, err):
        self.status = status
        self.out_bytes = out
        self.err_bytes = err

    @property
    def out(self):
        return self.out_bytes.decode(errors="replace")

    @property
    def err(self):
        return self.err_bytes.decode(errors="replace")

    @property
    def lines(self):
        return self.out.splitlines()

    @property
    def json(self):
        return json.loads(self.out)


class SyncctlCase(harness.TestCase):
    """Each test has a daemon, `self.syncd`, and a client, `self.rpc`."""

    store = "sqlite"

    def setUp(self):
        super().setUp()
        self.syncd = self.daemon(store=self.store)
        self.rpc = self.client(self.syncd)

    def environment(self, **more):
        keep = ("PATH", "HOME", "ASAN_OPTIONS", "UBSAN_OPTIONS",
                "TSAN_OPTIONS", "LSAN_OPTIONS")
        env = {name: os.environ[name] for name in keep if name in os.environ}
        env["SYNCD_SOCKET"] = self.syncd.socket_path
        env["LC_ALL"] = "C.UTF-8"
        env["T"] = self.directory
        env["SYNCCTL"] = os.path.abspath(harness.SYNCCTL)
        env.update(more)
        return env

    def start(self, *args, env=None, **options):
        """syncctl in the background; killed at the end of the test."""
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        process = subprocess.Popen([harness.SYNCCTL, *args],
                                   env=self.environment(**(env or {})),
                                   **options)
        self.addCleanup(self._end_process, process)
        return process

    def _end_process(self, process):
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()

    def finish(self, process, status=0, input=None):
        """Waits for its end and checks its exit status."""
        out, err = process.communicate(input=input, timeout=harness.PATIENCE)
        ran = Ran(process.returncode, out or b"", err or b"")
        self.assertIsNone(harness.SANITIZER.search(ran.err), ran.err)
        if status is not None:
            self.assertEqual(ran.status, status,
                             f"{process.args}: {ran.out}{ran.err}")
        return ran

    def ctl(self, *args, input=None, status=0, env=None, **options):
        """Runs syncctl to its end."""
        if input is not None:
            options["stdin"] = subprocess.PIPE
            input = input if isinstance(input, bytes) else input.encode()
        process = self.start(*args, env=env, **options)
        return self.finish(process, status, input)

    def refused(self, *args, status=2, says="", **options):
        """It fails with this status, and one line that contains `says`."""
        ran = self.ctl(*args, status=status, **options)
        self.assertEqual(len(ran.err.splitlines()), 1, ran.err)
        self.assertTrue(ran.err.startswith("syncctl: "), ran.err)
        self.assertIn(says, ran.err)
        return ran

    def show(self, queue):
        return self.rpc.call("queue.show", queue=queue)

    def counts(self, queue):
        return self.show(queue)["counts"]

    def wait_counts(self, queue, **counts):
        """Until the queue has so many jobs in these states."""
        def there():
            have = self.counts(queue)
            return all(have[state] == n for state, n in counts.items())
        self.wait_until(there, f"{queue} {counts}")

    def wait_waiting(self, queue, **waiting):
        def there():
            have = self.show(queue)["waiting"]
            return all(have[what] == n for what, n in waiting.items())
        self.wait_until(there, f"{queue} waiting {waiting}")

    def wait_file(self, name):
        """Until a command has made this file."""
        self.wait_until(lambda: os.path.exists(self.path(name)), name)

    def fifo(self, name):
        os.mkfifo(self.path(name))
        return self.path(name)

    def open_fifo(self, name):
        """Lets whoever reads the fifo go on."""
        with open(self.path(name), "w") as fifo:
            fifo.write("\n")
