"""Lock and RLock: threading's, for processes."""
from __future__ import annotations

import threading
from typing import Any, Dict, List, Optional, Tuple

from .call import Request, Steps
from .client import Client, Hold, owner as _thread_owner
from .errors import LockLost, SessionLost, StaleToken
from .names import Thing
from .scope import private_name


def acquire_timeout(blocking: bool, timeout: float) -> Optional[float]:
    """As the locks of threading read these two."""
    if not blocking:
        if timeout != -1:
            raise ValueError("can't specify a timeout for a non-blocking call")
        return 0.0
    if timeout < 0 and timeout != -1:
        raise ValueError("timeout value must be a non-negative number")
    if timeout > threading.TIMEOUT_MAX:
        raise OverflowError("timeout value is too large")
    return None if timeout == -1 else float(timeout)


class LockSteps(Thing):
    """What Lock and RLock and their asyncio sisters do, as steps."""

    reentrant = False

    def __init__(self, name: Optional[str], client: Optional[Client],
                 deadlock: str) -> None:
        if deadlock not in ("wait", "refuse"):
            raise ValueError('deadlock is "wait" or "refuse"')
        super().__init__(name, client)
        self.deadlock = deadlock

    def _terms(self) -> Dict[str, Any]:
        return {"deadlock": self.deadlock}

    @property
    def token(self) -> Optional[int]:
        """The fencing token: greater than that of whoever held the lock before,
        restarts of the daemon included, so that what is guarded can refuse a
        smaller one. None while this process does not hold it (any more)."""
        hold = self.client.holds.get(self.name)
        return None if hold is None else hold.token

    def _hold_of(self, owner: str) -> Optional[Hold]:
        """This process's hold, if a release by that owner is about it."""
        hold = self.client.holds.get(self.name)
        return hold if hold and (not self.reentrant or hold.owner == owner) \
            else None

    def _acquire_steps(self, timeout: Optional[float], owner: str
                       ) -> Steps[bool]:
        """True: it is held now."""
        params: Dict[str, Any] = {"lock": self.name, "owner": owner}
        if self.reentrant:
            params["reentrant"] = True
        if self.deadlock == "refuse":
            params["deadlock"] = "refuse"
        result = yield Request("lock.acquire", params, timeout, True,
                               self._undo_acquire)
        if not result["acquired"]:
            return False
        self.client.lost_locks.discard((self.name, owner))
        hold = self.client.holds.get(self.name)
        if hold is not None and hold.token == result["token"]:
            hold.count += 1
        else:
            self.client.holds[self.name] = Hold(owner, result["token"], 1)
        return True

    def _undo_acquire(self, result: Dict[str, Any]) -> List[Request]:
        if not result["acquired"]:
            return []
        return [Request("lock.release", {"lock": self.name,
                                         "token": result["token"]})]

    def _release_steps(self, owner: str, token: Optional[int] = None
                       ) -> Steps[None]:
        """One level less."""
        hold = self._hold_of(owner)
        params: Dict[str, Any] = {"lock": self.name}
        if token is not None:
            params["token"] = token
        elif self.reentrant:
            params["owner"] = owner
        elif hold is not None:
            params["token"] = hold.token
        if hold is not None:
            hold.count -= 1
            if hold.count == 0 and self.client.holds.get(self.name) is hold:
                del self.client.holds[self.name]
        try:
            yield Request("lock.release", params)
        except StaleToken:
            if hold is None and not self._was_lost(owner):
                raise RuntimeError(self._not_held()) from None
            raise LockLost(f"the lock {self.name} was lost while this process "
                           f"held it") from None

    def _was_lost(self, owner: str) -> bool:
        lost = self.client.lost_locks
        for name, by in list(lost):
            if name == self.name and (by == owner or not self.reentrant):
                lost.discard((name, by))
                return True
        return False

    def _not_held(self) -> str:
        return ("cannot release un-acquired lock" if self.reentrant
                else "release unlocked lock")

    def _locked_steps(self) -> Steps[bool]:
        """Does anybody hold it?"""
        result = yield Request("lock.show", {"lock": self.name},
                               repeatable=True)
        return bool(result["held"])

    def _show_steps(self) -> Steps[Dict[str, Any]]:
        """lock.show."""
        result: Dict[str, Any] = yield Request(
            "lock.show", {"lock": self.name}, repeatable=True)
        return result


class _Blocking(LockSteps):
    """The methods of both, for threads."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Takes the lock: waits until it is this thread's, first come first
        served, or for `timeout` seconds, or, with blocking=False, not at all.
        True: it is held. While the daemon is away it waits for it."""
        return self.client.run(self._acquire_steps(
            acquire_timeout(blocking, timeout), _thread_owner()))

    def release(self, *, token: Optional[int] = None) -> None:
        """Gives it back, one level of an RLock. RuntimeError if it is not
        held; LockLost if it was lost meanwhile, with the session. With `token`
        a process may release what another one holds."""
        self.client.run(self._release_steps(_thread_owner(), token))

    def locked(self) -> bool:
        """Does anybody hold it, in any process?"""
        return self.client.run(self._locked_steps())

    def show(self) -> Dict[str, Any]:
        """All there is to know of it: held, count, owner, token, holder,
        waiters, waiting, as in `syncctl lock show --json`."""
        return self.client.run(self._show_steps())

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            self.release()
        except LockLost:
            if not isinstance(error, SessionLost):  # it is being told already
                raise

    def _at_fork_reinit(self) -> None:
        """As threading's: in a child nobody else can release it."""
        self.client.holds.pop(self.name, None)
        if self._is_private:
            self.name = private_name()

    def _state(self) -> Tuple[str, str, int]:
        """For repr: which state, the owner, the levels."""
        try:
            shown = self.show()
        except Exception:  # a repr must not fail for an absent daemon
            return "unreachable", "", 0
        return ("locked" if shown["held"] else "unlocked",
                shown.get("owner", ""), shown["count"])


class Lock(_Blocking):
    """threading.Lock, for processes.

        with Lock("backup"):
            ...

    Lock(name=None, *, deadlock="wait", client=None): all who say the same name
    mean the same lock; without a name it is a private one, of this process and
    of those that get it by fork or by pickling. First come, first served. Not
    re-entrant: a second acquire by the same thread waits, or with
    deadlock="refuse" raises Deadlock, as does every wait that would close a
    circle. Any thread of the process that holds it may release it. It is free
    when its process ends, however it ends.
    """

    def __init__(self, name: Optional[str] = None, *, deadlock: str = "wait",
                 client: Optional[Client] = None) -> None:
        super().__init__(name, client, deadlock)

    def __repr__(self) -> str:
        state, _, _ = self._state()
        return f"<{state} syncd.Lock object{self._label()} at {id(self):#x}>"


class RLock(_Blocking):
    """threading.RLock, for processes.

    RLock(name=None, *, deadlock="wait", client=None): as Lock, but the thread
    that holds it may take it again, and gives it back as often. Another thread
    cannot release it. A process that was started with SYNCD_OWNER=owner() by
    the thread that holds it may take it again too.
    """

    reentrant = True

    def __init__(self, name: Optional[str] = None, *, deadlock: str = "wait",
                 client: Optional[Client] = None) -> None:
        super().__init__(name, client, deadlock)

    def __repr__(self) -> str:
        state, owner, count = self._state()
        return (f"<{state} syncd.RLock object{self._label()} "
                f"owner={owner or 0} count={count} at {id(self):#x}>")

    # What threading.Condition asks of a lock.

    def _is_owned(self) -> bool:
        hold = self._hold_of(_thread_owner())
        return hold is not None

    def _recursion_count(self) -> int:
        hold = self._hold_of(_thread_owner())
        return 0 if hold is None else hold.count

    def _release_save(self) -> int:
        hold = self._hold_of(_thread_owner())
        if hold is None:
            raise RuntimeError("cannot release un-acquired lock")
        levels = hold.count
        for _ in range(levels):
            self.release()
        return levels

    def _acquire_restore(self, levels: int) -> None:
        for _ in range(levels):
            self.acquire()
