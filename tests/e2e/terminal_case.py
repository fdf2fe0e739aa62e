"""What the end-to-end tests of syncctl on a real terminal share."""

import fcntl
import os
import pty
import select
import struct
import termios
import time

import harness
import syncctl_case


class TerminalCase(syncctl_case.SyncctlCase):
    """`self.seen` is what the terminal was sent so far."""

    def open_terminal(self, columns=80, rows=24):
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ,
                    struct.pack("HHHH", rows, columns, 0, 0))
        self.addCleanup(os.close, master)
        self.master = master
        self.seen = ""
        return slave

    def read_terminal(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            try:
                self.seen += os.read(self.master, 65536).decode()
            except OSError:  # nobody has the other end any more
                return False
        return True

    def wait_seen(self, text):
        limit = time.monotonic() + harness.PATIENCE
        while text not in self.seen:
            self.assertLess(time.monotonic(), limit, self.seen)
            self.assertTrue(self.read_terminal(1), self.seen)

    def on_terminal(self, *args, env=None, **options):
        slave = self.open_terminal()
        env = {"TERM": "xterm", **(env or {})}
        process = self.start(*args, stderr=slave, env=env, **options)
        os.close(slave)
        return process

    def read_rest(self):
        while self.read_terminal(harness.PATIENCE):
            pass
