"""Semaphore and BoundedSemaphore: threading's, for processes."""
from __future__ import annotations

from typing import Any, Dict, List, Optional, overload

from .call import Request, Steps, checked_timeout
from .client import Client
from .errors import LockLost, OverRelease, SessionLost
from .names import Thing, leading_name


class SemaphoreSteps(Thing):
    """What both and their asyncio sisters do, as steps."""

    bounded = False

    def __init__(self, name: Optional[str], value: Optional[int],
                 client: Optional[Client]) -> None:
        super().__init__(name, client)
        self._initial = 1 if value is None else value
        if self._initial < 0:
            raise ValueError("semaphore initial value must be >= 0")
        self._cleanup(self._request("semaphore.delete", force=True))

    def _terms(self) -> Dict[str, Any]:
        return {"value": self._initial}

    def _request(self, method: str, **params: Any) -> Request:
        return Request(method, {"semaphore": self.name, **params})

    def _declare_steps(self) -> Steps[None]:
        """Makes it, unless it is there."""
        yield self._request("semaphore.declare", value=self._initial,
                            bounded=self.bounded, keep=True)

    def _acquire_steps(self, timeout: Optional[float], hold: bool = False
                       ) -> Steps[Optional[Dict[str, Any]]]:
        """What was granted; None at the timeout. With `hold` it comes back when
        this process ends, of an unbounded one too."""
        params: Dict[str, Any] = {"semaphore": self.name}
        if hold:
            params["hold"] = True
        result: Dict[str, Any] = yield Request(
            "semaphore.acquire", params, timeout, self.bounded or hold,
            self._undo_acquire)
        if not result["acquired"]:
            return None
        if self.bounded:
            self._count(self.client.bounded, 1)
        return result

    def _count(self, held: Dict[str, int], more: int) -> None:
        """Only so that a lost permit can be told from one too many: no name of
        which none is held is kept."""
        count = held.get(self.name, 0) + more
        if count > 0:
            held[self.name] = count
        else:
            held.pop(self.name, None)

    def _undo_acquire(self, result: Dict[str, Any]) -> List[Request]:
        if not result["acquired"]:
            return []
        token = {"token": result["token"]} if "token" in result else {}
        return [self._request("semaphore.release", **token)]

    def _enter_steps(self) -> Steps[None]:
        """`with`: this permit comes back whatever happens."""
        granted = yield from self._acquire_steps(None, hold=not self.bounded)
        if granted is not None and not self.bounded:
            self.client.permits.setdefault(self.name, []).append(
                granted["token"])

    def _exit_steps(self) -> Steps[None]:
        """The end of `with`: permits are alike, so any of them will do."""
        params = {}
        if not self.bounded:
            params["token"] = self._any_token()
        try:
            yield self._request("semaphore.release", **params)
        except OverRelease:
            self._count(self.client.lost_bounded, -1)
            raise self._lost() from None
        self._count(self.client.bounded, -1)

    def _any_token(self) -> int:
        held = self.client.permits.get(self.name)
        if not held:
            raise self._lost()
        return held.pop()

    def _lost(self) -> LockLost:
        return LockLost(f"a permit of {self.name} was lost while this process "
                        f"held it")

    def _release_steps(self, count: int) -> Steps[None]:
        """Gives back, or of an unbounded one counts up."""
        if count < 1:
            raise ValueError("n must be one or more")
        try:
            yield self._request("semaphore.release", permits=count)
        except OverRelease:
            if self.client.lost_bounded.get(self.name):
                self._count(self.client.lost_bounded, -count)
                raise self._lost() from None
            raise ValueError("Semaphore released too many times") from None
        self._count(self.client.bounded, -count)

    def _delete_steps(self, force: bool) -> Steps[None]:
        """semaphore.delete."""
        yield self._request("semaphore.delete", force=force)

    def _show_steps(self) -> Steps[Dict[str, Any]]:
        """semaphore.show."""
        result: Dict[str, Any] = yield Request(
            "semaphore.show", {"semaphore": self.name}, repeatable=True)
        return result


class Semaphore(SemaphoreSteps):
    """threading.Semaphore, for processes: a counter of permits.

        with Semaphore("downloads", 3):     # three at a time, over all
            ...

    Semaphore(value=1, *, name=None, client=None): a name may come first. The
    first to use the name sets the value. First come, first served.

    A permit taken by `with` comes back when its process ends, however it ends.
    One taken by acquire() alone is counted down, as anybody may release() it: a
    process that is killed in between takes it along. Where that must not be, use
    `with`, or a BoundedSemaphore.
    """

    @overload
    def __init__(self, name: str, value: int = 1, *,
                 client: Optional[Client] = None) -> None: ...

    @overload
    def __init__(self, value: int = 1, *, name: Optional[str] = None,
                 client: Optional[Client] = None) -> None: ...

    @leading_name
    def __init__(self, value: int = 1, *, name: Optional[str] = None,
                 client: Optional[Client] = None) -> None:
        super().__init__(name, value, client)
        self.client.run(self._declare_steps())

    def acquire(self, blocking: bool = True,
                timeout: Optional[float] = None) -> bool:
        """Takes a permit: waits for one in line, or for `timeout` seconds, or,
        with blocking=False, not at all. True: it was taken."""
        if not blocking and timeout is not None:
            raise ValueError("can't specify timeout for non-blocking acquire")
        granted = self.client.run(self._acquire_steps(
            checked_timeout(timeout) if blocking else 0.0))
        return granted is not None

    def release(self, n: int = 1) -> None:
        """Gives `n` permits back, and wakes as many who wait. Of a
        BoundedSemaphore: ValueError if so many are not held, LockLost if they
        were lost meanwhile."""
        self.client.run(self._release_steps(n))

    def __enter__(self) -> bool:
        self.client.run(self._enter_steps())
        return True

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            self.client.run(self._exit_steps())
        except LockLost:
            if not isinstance(error, SessionLost):  # it is being told already
                raise

    def show(self) -> Dict[str, Any]:
        """value, free, bounded, holds, holders, waiters, waiting."""
        return self.client.run(self._show_steps())

    def delete(self, force: bool = False) -> None:
        """Removes a named one, which stays otherwise; with `force` also while
        it is held or waited for."""
        self.client.run(self._delete_steps(force))

    def get_value(self) -> int:
        """How many permits are there to be had, as in multiprocessing."""
        return int(self.show()["free"])

    @property
    def _value(self) -> int:
        return self.get_value()

    def _state(self) -> str:
        try:
            shown = self.show()
        except Exception:  # a repr must not fail for an absent daemon
            return "unreachable"
        total = f"/{shown['value']}" if self.bounded else ""
        return f"value={shown['free']}{total}"

    def __repr__(self) -> str:
        return (f"<syncd.{type(self).__name__} at {id(self):#x}"
                f"{self._label()}: {self._state()}>")


class BoundedSemaphore(Semaphore):
    """threading.BoundedSemaphore, for processes.

    BoundedSemaphore(value=1, *, name=None, client=None): as Semaphore, but
    permits belong to the process that took them: it gives back what it took, and
    ValueError is raised for more; and they come back when it ends, however it
    ends.
    """

    bounded = True
