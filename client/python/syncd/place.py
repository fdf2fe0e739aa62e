"""Where a daemon may be, and reaching it there.

The user's own daemon goes before the service. Nothing is trusted for where it
lies: a directory in /tmp must be ours and closed to others, and whoever listens
must be this user, root, or the service's user, by what the kernel says.
"""
from __future__ import annotations

import errno
import grp
import os
import pwd
import socket
import stat
import struct
from typing import List, NamedTuple, Optional

from .errors import ConnectError

SERVICE_SOCKET = "/run/syncd/syncd.sock"
SERVICE_USER = "syncd"

# What a Unix socket's address holds, without its NUL.
SOCKET_PATH_BYTES_MAX = 107


class Place(NamedTuple):
    """A path, and why it is not looked at, if so."""

    path: str
    skipped: Optional[str] = None


class Unreached(Exception):
    """`error`: what to tell; `hope`: it may work later; `stale`: a socket is
    there at which nobody listens, as after a crash."""

    def __init__(self, error: ConnectError, hope: bool, stale: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.hope = hope
        self.stale = stale


def _is_ours(directory: str) -> bool:
    try:
        found = os.lstat(directory)
    except OSError:
        return False
    return (stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
            and found.st_mode & 0o077 == 0)


def _fallback() -> List[Place]:
    """Without XDG_RUNTIME_DIR, as under cron. What root starts is the
    service."""
    uid = os.geteuid()
    if uid == 0:
        return []
    directory = f"/run/user/{uid}"
    if _is_ours(directory):
        return [Place(f"{directory}/syncd/syncd.sock")]
    directory = f"/tmp/syncd-{uid}"
    safe = _is_ours(directory) or not os.path.lexists(directory)
    return [Place(f"{directory}/syncd.sock", None if safe else
                  "its directory is not yours with mode 0700")]


def places(given: Optional[str]) -> List[Place]:
    """Where to look, in this order."""
    given = given or os.environ.get("SYNCD_SOCKET")
    if given:
        return [Place(os.fspath(given))]
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    own = ([Place(f"{runtime}/syncd/syncd.sock")] if runtime.startswith("/")
           else _fallback())
    return own + [Place(SERVICE_SOCKET)]


def _check_peer(connection: socket.socket, path: str) -> None:
    _, uid, _ = struct.unpack("3i", connection.getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    trusted = {os.geteuid(), 0}
    try:
        trusted.add(pwd.getpwnam(SERVICE_USER).pw_uid)
    except KeyError:
        pass
    if uid not in trusted:
        raise Unreached(ConnectError(
            f"user {uid} listens at {path}, who is neither you, root nor "
            f"{SERVICE_USER}: not used; set SYNCD_SOCKET to the right socket"),
            hope=False, stale=False)


def _denied(path: str) -> str:
    group = SERVICE_USER
    for looked_at in (path, os.path.dirname(path)):
        try:
            gid = os.stat(looked_at).st_gid
            group = str(gid)
            group = grp.getgrgid(gid).gr_name
            break
        except (OSError, KeyError):
            continue
    return (f"not allowed to use {path}: it is for the group {group}; join it "
            f"with `sudo usermod -aG {group} \"$USER\"` and log in again, or "
            f"start a daemon of your own with `syncd &`")


def _connect(connection: socket.socket, path: str) -> None:
    """Raises Unreached for what is no plain absence, OSError for that."""
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX:
        raise Unreached(ConnectError(
            f"the path of the socket has more than {SOCKET_PATH_BYTES_MAX} "
            f"bytes, which no socket can have: {path}"),
            hope=False, stale=False)
    try:
        connection.connect(path)
    except OSError as why:
        if why.errno in (errno.EACCES, errno.EPERM):
            raise Unreached(ConnectError(_denied(path)), hope=False,
                            stale=False) from None
        if why.errno == errno.EAGAIN:
            raise Unreached(ConnectError(
                f"the daemon at {path} is there but takes no more connections; "
                f"try again later"), hope=True, stale=True) from None
        raise
    _check_peer(connection, path)


def reach(tried: List[Place], connection: socket.socket) -> str:
    """Connects to the first that is there, and returns its path."""
    told: List[str] = []
    stale = False
    for place in tried:
        if place.skipped is not None:
            told.append(f"{place.path} ({place.skipped})")
            continue
        try:
            _connect(connection, place.path)
            return place.path
        except Unreached:
            raise
        except OSError as why:
            stale = stale or why.errno == errno.ECONNREFUSED
            told.append(f"{place.path} ({os.strerror(why.errno or 0)})")
    raise Unreached(ConnectError(
        f"no syncd is running: tried {' and '.join(told)}; start one with "
        f"`syncd &`, or the service with `systemctl start syncd.socket`"),
        hope=True, stale=stale)
