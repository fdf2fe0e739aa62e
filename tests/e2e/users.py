"""Clients of other users, for tests that run as root.

The kernel says who a client is when it connects, and goes on saying so whoever
uses the socket afterwards. So a child process with another identity connects
and hands the connected socket back, and the test speaks through it.

    client = users.client(daemon, uid=40001, groups=(40100,))
"""

import os
import shutil
import socket
import struct
import subprocess
import unittest

import harness

# Ids that belong to nobody.
ADA, BOB, EVE = 40001, 40002, 40003
WEB, OPS = 40100, 40101



def can_be_others():
    """Root may be anybody, but not in every container."""
    if os.geteuid() != 0:
        return False
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([WEB])
            os.setgid(EVE)
            os.setuid(EVE)
            os._exit(0)
        except OSError:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


needs_root = unittest.skipUnless(
    can_be_others(), "only root can be other users, and not everywhere")


class Client(harness.Client):
    """As harness.Client, as another user."""

    def __init__(self, path, uid, gid=None, groups=()):
        super().__init__(path)
        self.socket.close()
        self.pid, self.socket = connect_as(path, uid, gid or uid, groups)
        self.socket.settimeout(harness.PATIENCE)


def connect_as(path, uid, gid, groups):
    """The child's process id, which has ended, and its connected socket."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups(groups)
            os.setgid(gid)
            os.setuid(uid)
            made = socket.socket(socket.AF_UNIX)
            made.connect(path)
            socket.send_fds(theirs, [b"x"], [made.fileno()])
        except OSError as why:
            theirs.send(struct.pack("i", why.errno))
        finally:
            os._exit(0)
    theirs.close()
    data, fds, _, _ = socket.recv_fds(ours, 16, 1)
    ours.close()
    os.waitpid(pid, 0)
    if not fds:
        number = struct.unpack("i", data)[0]
        raise OSError(number, os.strerror(number))
    return pid, socket.socket(fileno=fds[0])


class TestCase(harness.TestCase):
    """Its directory is open to everybody, and so is the daemon's socket."""

    def setUp(self):
        super().setUp()
        os.chmod(self.directory, 0o755)
        self.syncctl_copy = None

    def open_daemon(self, text="", **arguments):
        text = "socket_mode = 0666\n" + text
        return self.daemon(config=self.write("c", text), **arguments)

    def client_of(self, daemon, uid, gid=None, groups=()):
        client = Client(daemon.socket_path, uid, gid, groups)
        self.addCleanup(client.close)
        return client

    def syncctl(self, daemon, uid, *arguments, groups=()):
        """Runs it as that user, from a copy that everybody may read."""
        if self.syncctl_copy is None:
            self.syncctl_copy = self.path("syncctl")
            shutil.copy(harness.SYNCCTL, self.syncctl_copy)
            os.chmod(self.syncctl_copy, 0o755)
        return subprocess.run(
            [self.syncctl_copy, "--socket", daemon.socket_path, *arguments],
            user=uid, group=uid, extra_groups=groups, cwd="/", text=True,
            capture_output=True, stdin=subprocess.DEVNULL,
            timeout=harness.PATIENCE)
