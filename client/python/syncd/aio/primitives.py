"""The primitives, with coroutines."""
from __future__ import annotations

import time
from typing import Any, Callable, Dict, Optional

from ..barrier import BarrierSteps
from ..call import T, checked_timeout
from ..client import Client
from ..condition import ConditionSteps
from ..errors import LockLost, SessionLost
from ..event import EventSteps
from ..lock import LockSteps
from ..names import leading_name
from ..semaphore import SemaphoreSteps
from .run import Declared, Shown, owner, run


class _Lock(LockSteps, Shown):
    async def acquire(self, timeout: Optional[float] = None) -> bool:
        """Takes the lock; False if `timeout` seconds passed first."""
        return await run(self.client, self._acquire_steps(
            checked_timeout(timeout), owner()))

    async def release(self, *, token: Optional[int] = None) -> None:
        """Gives it back; see syncd.Lock.release."""
        await run(self.client, self._release_steps(owner(), token))

    async def locked(self) -> bool:
        """Does anybody hold it, in any process?"""
        return await run(self.client, self._locked_steps())

    async def show(self) -> Dict[str, Any]:
        """All there is to know of it."""
        return await run(self.client, self._show_steps())

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            await self.release()
        except LockLost:
            if not isinstance(error, SessionLost):  # it is being told already
                raise


class Lock(_Lock):
    """syncd.Lock with coroutines: Lock(name=None, *, deadlock, client)."""

    def __init__(self, name: Optional[str] = None, *, deadlock: str = "wait",
                 client: Optional[Client] = None) -> None:
        super().__init__(name, client, deadlock)


class RLock(_Lock):
    """syncd.RLock with coroutines; it belongs to its task."""

    reentrant = True

    def __init__(self, name: Optional[str] = None, *, deadlock: str = "wait",
                 client: Optional[Client] = None) -> None:
        super().__init__(name, client, deadlock)


class Condition(ConditionSteps, Shown):
    """syncd.Condition with coroutines: Condition(lock=None, *, name, client), a
    name may come first. Its lock is a Lock, unless one is given."""

    _lock: _Lock

    @leading_name
    def __init__(self, lock: Optional[_Lock] = None, *,
                 name: Optional[str] = None,
                 client: Optional[Client] = None) -> None:
        super().__init__(name, Lock(name, client=client) if lock is None
                         else lock, client)

    async def acquire(self) -> bool:
        """That of the lock."""
        return await self._lock.acquire()

    async def release(self) -> None:
        """That of the lock."""
        await self._lock.release()

    async def __aenter__(self) -> None:
        await self._lock.__aenter__()

    async def __aexit__(self, *error: Any) -> None:
        await self._lock.__aexit__(*error)

    async def wait(self, timeout: Optional[float] = None) -> bool:
        """See syncd.Condition.wait."""
        return await run(self.client, self._wait_steps(
            checked_timeout(timeout), owner()))

    async def wait_for(self, predicate: Callable[[], T],
                       timeout: Optional[float] = None) -> T:
        """See syncd.Condition.wait_for."""
        until = None if timeout is None else time.monotonic() + timeout
        result = predicate()
        while not result:
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                break
            await self.wait(left)
            result = predicate()
        return result

    async def notify(self, n: int = 1) -> None:
        """Wakes the first `n` who wait."""
        await run(self.client, self._notify_steps(n, owner()))

    async def notify_all(self) -> None:
        """Wakes all who wait."""
        await run(self.client, self._notify_steps(None, owner()))


class Event(EventSteps, Shown):
    """syncd.Event with coroutines: Event(name=None, *, client)."""

    def __init__(self, name: Optional[str] = None, *,
                 client: Optional[Client] = None) -> None:
        super().__init__(name, client)

    async def is_set(self) -> bool:
        """Is it set?"""
        return await run(self.client, self._is_set_steps())

    async def set(self) -> None:
        """Sets it, and lets everybody through who waits."""
        await run(self.client, self._set_steps())

    async def clear(self) -> None:
        """Whoever comes from now on waits."""
        await run(self.client, self._clear_steps())

    async def wait(self, timeout: Optional[float] = None) -> bool:
        """Waits until it is set; False if `timeout` seconds passed first."""
        return await run(self.client,
                         self._wait_steps(checked_timeout(timeout)))

    async def show(self) -> Dict[str, Any]:
        """set, waiters, waiting."""
        return await run(self.client, self._show_steps())


class Semaphore(SemaphoreSteps, Declared):
    """syncd.Semaphore with coroutines: Semaphore(value=1, *, name, client), a
    name may come first."""

    @leading_name
    def __init__(self, value: int = 1, *, name: Optional[str] = None,
                 client: Optional[Client] = None) -> None:
        super().__init__(name, value, client)

    async def acquire(self, timeout: Optional[float] = None) -> bool:
        """Takes a permit; False if `timeout` seconds passed first."""
        return await self._run(self._acquire_steps(
            checked_timeout(timeout))) is not None

    async def release(self, n: int = 1) -> None:
        """Gives `n` permits back."""
        await self._run(self._release_steps(n))

    async def show(self) -> Dict[str, Any]:
        """value, free, bounded, holds, holders, waiters, waiting."""
        return await self._run(self._show_steps())

    async def delete(self, force: bool = False) -> None:
        """Removes a named one; with `force` also while it is in use."""
        await run(self.client, self._delete_steps(force))

    async def get_value(self) -> int:
        """How many permits are there to be had."""
        return int((await self.show())["free"])

    async def locked(self) -> bool:
        """Would acquire() have to wait?"""
        return await self.get_value() == 0

    async def __aenter__(self) -> None:
        await self._run(self._enter_steps())

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            await self._run(self._exit_steps())
        except LockLost:
            if not isinstance(error, SessionLost):  # it is being told already
                raise


class BoundedSemaphore(Semaphore):
    """syncd.BoundedSemaphore with coroutines: permits belong to the process."""

    bounded = True


class Barrier(BarrierSteps, Shown):
    """syncd.Barrier with coroutines: Barrier(parties, action=None, timeout=None,
    *, name, client), a name may come first. `action` is a plain function."""

    @leading_name
    def __init__(self, parties: int,
                 action: Optional[Callable[[], Any]] = None,
                 timeout: Optional[float] = None, *,
                 name: Optional[str] = None,
                 client: Optional[Client] = None) -> None:
        super().__init__(name, parties, action, timeout, client)

    async def wait(self, timeout: Optional[float] = None) -> int:
        """Waits for the other parties: the order of arrival, from 0.
        syncd.BrokenBarrierError if it is or gets broken; being cancelled breaks
        it."""
        return await run(self.client, self._wait_steps(timeout))

    async def reset(self) -> None:
        """Makes it whole and empty."""
        await run(self.client, self._reset_steps())

    async def abort(self) -> None:
        """Breaks it, until it is reset."""
        await run(self.client, self._abort_steps())

    async def show(self) -> Dict[str, Any]:
        """parties, missing, broken, reason, generation, waiters, waiting."""
        return await run(self.client, self._show_steps())
