"""Condition: threading's, for processes."""
from __future__ import annotations

import time
from typing import (Any, Callable, Dict, List, Optional, TypeVar, Union,
                    overload)

from .call import Request, Steps, checked_timeout
from .client import Client, Hold, owner as _thread_owner
from .errors import StaleToken
from .lock import Lock, LockSteps, RLock
from .names import Thing, leading_name

T = TypeVar("T")


class ConditionSteps(Thing):
    """What Condition and its asyncio sister do, as steps."""

    def __init__(self, name: Optional[str], lock: LockSteps,
                 client: Optional[Client]) -> None:
        super().__init__(name, client)
        for method in ("acquire", "release"):
            getattr(lock, method)  # or AttributeError, as in threading
        self._lock = lock
        self._waiting = 0

    def _terms(self) -> Dict[str, Any]:
        return {"lock": self._lock}

    def _hold(self, owner: str) -> Hold:
        hold = self._lock._hold_of(owner)
        if hold is None:
            raise RuntimeError("cannot wait on un-acquired lock")
        return hold

    def _wait_steps(self, timeout: Optional[float], owner: str) -> Steps[bool]:
        """Gives the lock up, waits, has it again, however that ends."""
        hold = self._hold(owner)
        levels = hold.count
        lock, client = self._lock, self._lock.client
        client.holds.pop(lock.name, None)

        def undo(result: Dict[str, Any]) -> List[Request]:
            return [Request("lock.release", {"lock": lock.name,
                                             "token": result["token"]})
                    for _ in range(levels)]
        self._waiting += 1
        try:
            result = yield Request("condition.wait", {
                "condition": self.name, "lock": lock.name,
                "token": hold.token}, timeout, undo=undo)
        except StaleToken as error:
            if not error.resent:
                raise RuntimeError("the lock was lost while this process held "
                                   "it") from None
            # A restart came after it had been given up. Who was notified
            # meanwhile cannot be told: wake up, as a condition may.
            yield from self._again(levels, owner)
            return True
        except GeneratorExit:
            raise
        except BaseException:
            yield from self._again(levels, owner)
            raise
        finally:
            self._waiting -= 1
        client.holds[lock.name] = Hold(owner, result["token"], levels)
        return bool(result["notified"])

    def _again(self, levels: int, owner: str) -> Steps[None]:
        for _ in range(levels):
            yield from self._lock._acquire_steps(None, owner)

    def _notify_steps(self, count: Optional[int], owner: str) -> Steps[int]:
        """How many were woken."""
        if self._lock._hold_of(owner) is None:
            raise RuntimeError("cannot notify on un-acquired lock")
        params: Dict[str, Any] = {"condition": self.name}
        if count is None:
            params["all"] = True
        else:
            params["n"] = max(count, 0)
        result = yield Request("condition.notify", params)
        return int(result["woken"])


class Condition(ConditionSteps):
    """threading.Condition, for processes.

        ready = Condition("ready")
        with ready:
            ready.wait_for(lambda: os.path.exists("report"))

    Condition(lock=None, *, name=None, client=None): a name may come first. The
    lock is a Lock or an RLock; unless given, an RLock of the same name. Two
    conditions on one lock that several programs share want a name each:
    Condition("not full", lock).
    """

    _lock: Any  # a foreign one can be acquired and released, as in threading

    @overload
    def __init__(self, name: str, lock: Union[Lock, RLock, None] = None, *,
                 client: Optional[Client] = None) -> None: ...

    @overload
    def __init__(self, lock: Union[Lock, RLock, None] = None, *,
                 name: Optional[str] = None,
                 client: Optional[Client] = None) -> None: ...

    @leading_name
    def __init__(self, lock: Any = None, *, name: Optional[str] = None,
                 client: Optional[Client] = None) -> None:
        if lock is None:
            lock = RLock(name, client=client)
        super().__init__(name, lock, client)

    def acquire(self, *args: Any, **options: Any) -> bool:
        """That of the lock."""
        return bool(self._lock.acquire(*args, **options))

    def release(self) -> None:
        """That of the lock."""
        self._lock.release()

    def __enter__(self) -> bool:
        return bool(self._lock.__enter__())

    def __exit__(self, *error: Any) -> Any:
        return self._lock.__exit__(*error)

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Gives the lock up, waits to be notified, and has it again. False if
        `timeout` seconds passed first. A restart of the daemon wakes everybody,
        so look at what you wait for again, or use wait_for."""
        if not isinstance(self._lock, LockSteps):
            raise TypeError("to wait, a Condition needs a Lock or RLock of "
                            "syncd")
        return self.client.run(self._wait_steps(checked_timeout(timeout),
                                                _thread_owner()))

    def wait_for(self, predicate: Callable[[], T],
                 timeout: Optional[float] = None) -> T:
        """Waits until `predicate()` is true, and returns what it returned; at
        the timeout what it returned last."""
        until = None if timeout is None else time.monotonic() + timeout
        result = predicate()
        while not result:
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                break
            self.wait(left)
            result = predicate()
        return result

    def notify(self, n: int = 1) -> None:
        """Wakes the first `n` who wait."""
        self._notify(n)

    def notify_all(self) -> None:
        """Wakes all who wait."""
        self._notify(None)

    notifyAll = notify_all

    def _notify(self, count: Optional[int]) -> None:
        if not isinstance(self._lock, LockSteps):
            raise TypeError("to notify, a Condition needs a Lock or RLock of "
                            "syncd")
        self.client.run(self._notify_steps(count, _thread_owner()))

    def __repr__(self) -> str:
        return f"<Condition({self._lock!r}, {self._waiting})>"
