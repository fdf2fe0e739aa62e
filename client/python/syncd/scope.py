"""Private names, and how long what bears one is there.

A private name lies in a scope, private/UID/SCOPE/, which belongs to the process
that made it up. Every session of that process keeps the scope, and so do the
sessions of its children that may use what is in it: those forked after something
was made, and those that were handed a private object before their first use of
the daemon, as children that multiprocessing starts anew are. When the last of
these sessions ends, however it ends, the daemon removes all that is in the scope.
"""
from __future__ import annotations

import itertools
import os
import threading
from typing import List

PRIVATE = "private/"

# Scopes of ancestors that a process keeps with its own: the nearest.
INHERITED_MAX = 31


class _Scopes:
    """This process's own, and those it was handed."""

    def __init__(self, inherited: List[str]) -> None:
        self.own = os.urandom(12).hex()
        self.inherited = inherited[:INHERITED_MAX]
        self.numbers = itertools.count(1)
        self.used = False
        self.told = False  # to the daemon: from then on they are what they are
        self.lock = threading.Lock()


_scopes = _Scopes([])


def private_name() -> str:
    """A name that nobody else has, and that ends with this process."""
    scopes = _scopes
    scopes.used = True
    return (f"{PRIVATE}{os.geteuid()}/{scopes.own}/"
            f"{os.getpid()}-{next(scopes.numbers)}")


def scopes_kept() -> List[str]:
    """For a session that is about to be opened."""
    with _scopes.lock:
        _scopes.told = True
        return [_scopes.own] + _scopes.inherited


def inherit(name: str) -> None:
    """A thing of that name came from another process: if it is private, it is to
    stay as long as this one."""
    parts = name.split("/", 3)
    if len(parts) < 4 or f"{parts[0]}/" != PRIVATE:
        return
    scopes = _scopes
    with scopes.lock:
        known = [scopes.own] + scopes.inherited
        if not scopes.told and parts[2] not in known and \
                len(scopes.inherited) < INHERITED_MAX:
            scopes.inherited.append(parts[2])


def _in_child() -> None:
    global _scopes
    parent = _scopes
    _scopes = _Scopes(([parent.own] if parent.used else []) + parent.inherited)


os.register_at_fork(after_in_child=_in_child)
