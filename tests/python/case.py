"""A daemon and the module syncd in a test: `Case`.

What is looked at from the outside (has it come to wait? is it free?) is waited
for as a condition, never slept for.
"""
import os
import subprocess
import sys

import suite  # noqa: F401  (finds the modules)

import harness
import syncd

PYTHON = sys.executable


class Case(harness.TestCase):
    """`self.daemon_` runs; `self.syncd` is a client of it, which the process's
    own is too."""

    store = "sqlite"

    def setUp(self):
        super().setUp()
        self.daemon_ = self.daemon(store=self.store)
        os.environ["SYNCD_SOCKET"] = self.daemon_.socket_path
        os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:2])
        syncd.client().end()
        syncd.client()._session = None
        self.syncd = syncd.configure(self.daemon_.socket_path)
        self.addCleanup(self.syncd.end)

    def other(self, **options):
        """Another client: as good as another process."""
        client = syncd.Client(self.daemon_.socket_path, **options)
        self.addCleanup(client.close)
        return client

    def wait_shown(self, thing, what, value):
        """Until thing.show()[what] is that."""
        self.wait_until(lambda: thing.show()[what] == value,
                        f"{what} = {value} of {thing!r}")

    def program(self, text, *arguments, **options):
        """A process that runs this text, with its pipes."""
        options.setdefault("stdin", subprocess.PIPE)
        process = subprocess.Popen(
            [PYTHON, "-B", "-c", text, *arguments], text=True,
            stdout=subprocess.PIPE, **options)
        self.addCleanup(self.end_program, process)
        return process

    @staticmethod
    def end_program(process):
        """Whatever it does, it ends."""
        if process.poll() is None:
            process.kill()
        process.communicate()

    def says(self, process, line):
        """The next line of its output."""
        self.assertEqual(process.stdout.readline().rstrip("\n"), line)

    @staticmethod
    def let(process):
        """It may go on: its next line of input, which is empty."""
        process.stdin.write("\n")
        process.stdin.flush()

    def ends(self, process, status=0):
        """It ends with that status; the rest of its output."""
        out, _ = process.communicate(timeout=harness.PATIENCE)
        self.assertEqual(process.returncode, status, out)
        return out


main = suite.main
