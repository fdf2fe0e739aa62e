"""multiprocessing's locks and queues, over the daemon.

    from syncd.multiprocessing import Process, Lock, Queue

instead of `from multiprocessing import ...`, and the program goes on as it is.
What it gains: a process that is killed leaves no lock held for ever, whoever
waits is served first come first served, and with a name given first, as in
Lock("backup"), programs that were started separately share the same thing.

    Lock RLock Semaphore BoundedSemaphore Condition Event Barrier
    Queue JoinableQueue SimpleQueue

have the signatures of multiprocessing's, where these differ from threading's and
queue's, which syncd's own classes have:

- acquire(block=True, timeout=None): without `block` the timeout is ignored.
- A Lock that another process holds may be released, and so may a permit.
- Queue and SimpleQueue: an item is finished when get() returns it. Of a
  JoinableQueue it is unfinished until task_done(), and if the process that got it
  dies before that, another gets it.
- Queues have close(), for this process alone. An item is on disk when put()
  returns, so there is no thread that feeds it, and nothing to join: an item that
  cannot be pickled is an error of put().

Everything else of multiprocessing (Process, Pool, Pipe, get_context, ...) is here
too, as it is there.
"""
from __future__ import annotations

import multiprocessing as _theirs
import os
import threading
from multiprocessing import Process
from typing import Any, Dict, Optional, Union, overload

from . import condition as _condition
from . import event as _event
from . import lock as _lock
from . import queue as _queue
from . import semaphore as _semaphore
from .barrier import Barrier
from .call import checked_timeout
from .client import Client, owner as _thread_owner, process_owner
from .errors import OverRelease
from .item import PickleTerm
from .job import Job
from .names import leading_name

__all__ = [
    "Barrier", "BoundedSemaphore", "Condition", "Event", "JoinableQueue",
    "Lock", "Process", "Queue", "RLock", "Semaphore", "SimpleQueue",
]


def __getattr__(name: str) -> Any:
    """What is not ours is multiprocessing's."""
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(_theirs, name)


def _wait(block: bool, timeout: Optional[float]) -> Optional[float]:
    """As the locks and queues of multiprocessing read these two."""
    return checked_timeout(timeout) if block else 0.0


class _Locking(_lock._Blocking):
    """What Lock and RLock have in common."""

    def acquire(self, block: bool = True,
                timeout: Optional[float] = None) -> bool:
        """Takes the lock: waits until it is this thread's, first come first
        served, or for `timeout` seconds, or, without `block`, not at all. True:
        it is held."""
        return self.client.run(self._acquire_steps(
            _wait(block, timeout), _thread_owner()))

    def _was_lost_by(self, owner: Optional[str]) -> bool:
        return any(name == self.name and owner in (None, by)
                   for name, by in list(self.client.lost_locks))

    def _holder(self, owner: str) -> str:
        """Who that is, as multiprocessing says it."""
        if owner == _thread_owner():
            name = _theirs.current_process().name
            thread = threading.current_thread().name
            return name if thread == "MainThread" else f"{name}|{thread}"
        if owner.startswith(process_owner() + "/"):
            return "SomeOtherThread"
        return "SomeOtherProcess" if owner else "None"


class Lock(_Locking, _lock.Lock):
    """multiprocessing.Lock: see syncd.Lock. Any process may release it."""

    def release(self, *, token: Optional[int] = None) -> None:
        """Gives it back, whoever holds it. ValueError if nobody does."""
        if token is None and self.token is None and \
                not self._was_lost_by(None):
            token = self.show().get("token")
            if token is None:
                raise ValueError("semaphore or lock released too many times")
        super().release(token=token)

    def __repr__(self) -> str:
        state, owner, _ = self._state()
        holder = "unknown" if state == "unreachable" else self._holder(owner)
        return f"<Lock(owner={holder}){self._label()}>"


class RLock(_Locking, _lock.RLock):
    """multiprocessing.RLock: see syncd.RLock."""

    def release(self, *, token: Optional[int] = None) -> None:
        """Gives one level back. AssertionError if this thread does not hold
        it."""
        if token is None and not self._is_owned() and \
                not self._was_lost_by(_thread_owner()):
            raise AssertionError(
                "attempt to release recursive lock not owned by thread")
        super().release(token=token)

    def __repr__(self) -> str:
        state, owner, count = self._state()
        if state == "unreachable":
            return f"<RLock(unknown, unknown){self._label()}>"
        holder = self._holder(owner)
        levels = "nonzero" if holder.startswith("SomeOther") else count
        return f"<RLock({holder}, {levels}){self._label()}>"


class Semaphore(_semaphore.Semaphore):
    """multiprocessing.Semaphore: see syncd.Semaphore."""

    def acquire(self, block: bool = True,
                timeout: Optional[float] = None) -> bool:
        """Takes a permit: waits for one in line, or for `timeout` seconds, or,
        without `block`, not at all. True: it was taken."""
        return self.client.run(self._acquire_steps(
            _wait(block, timeout))) is not None

    def __repr__(self) -> str:
        return f"<{type(self).__name__}({self._state()}){self._label()}>"


class BoundedSemaphore(Semaphore, _semaphore.BoundedSemaphore):
    """multiprocessing.BoundedSemaphore: see syncd.BoundedSemaphore. Any process
    may give a permit back."""

    def release(self, n: int = 1) -> None:
        """Gives `n` permits back. ValueError if so many are not taken."""
        for _ in range(n):
            self._release_one()

    def _release_one(self) -> None:
        try:
            super().release()
        except ValueError:
            for holder in self.show()["holders"]:
                try:
                    self.client.call("semaphore.release", semaphore=self.name,
                                     token=holder["token"], permits=1)
                    return
                except OverRelease:
                    continue  # given back meanwhile
            raise

    def _state(self) -> str:
        return super()._state().replace("/", ", maxvalue=")


class Condition(_condition.Condition):
    """multiprocessing.Condition: see syncd.Condition."""

    @overload
    def __init__(self, name: str,
                 lock: Union[_lock.Lock, _lock.RLock, None] = None, *,
                 client: Optional[Client] = None) -> None: ...

    @overload
    def __init__(self, lock: Union[_lock.Lock, _lock.RLock, None] = None, *,
                 name: Optional[str] = None,
                 client: Optional[Client] = None) -> None: ...

    @leading_name
    def __init__(self, lock: Any = None, *, name: Optional[str] = None,
                 client: Optional[Client] = None) -> None:
        super().__init__(RLock(name, client=client) if lock is None else lock,
                         name=name, client=client)


class Event(_event.Event):
    """multiprocessing.Event: see syncd.Event."""

    def __repr__(self) -> str:
        return (f"<{type(self).__name__} at {id(self):#x}{self._label()} "
                f"{self._state()}>")


class _Closing(_queue.Queue):
    """What the queues have in common: close()."""

    finished_by_get = True
    _used = False
    _closed_by: Optional[int] = None  # a child by fork has not closed it

    @overload
    def __init__(self, name: str, maxsize: int = 0, *,
                 client: Optional[Client] = None,
                 pickle: Optional[PickleTerm] = None,
                 **terms: Any) -> None: ...

    @overload
    def __init__(self, maxsize: int = 0, *, name: Optional[str] = None,
                 client: Optional[Client] = None,
                 pickle: Optional[PickleTerm] = None,
                 **terms: Any) -> None: ...

    @leading_name
    def __init__(self, maxsize: int = 0, *, name: Optional[str] = None,
                 client: Optional[Client] = None,
                 pickle: Optional[PickleTerm] = None, **terms: Any) -> None:
        super().__init__(maxsize, name=name, client=client, pickle=pickle,
                         take=self.finished_by_get, **terms)

    def _terms(self) -> Dict[str, Any]:
        return {"maxsize": self._maxsize, "pickle": self._pickle}

    def close(self) -> None:
        """This process puts and gets no more; more than once does no harm."""
        self._closed_by = os.getpid()

    def _is_closed(self) -> bool:
        return self._closed_by == os.getpid()

    def _check_open(self) -> None:
        if self._is_closed():
            raise ValueError(f"Queue {self!r} is closed")
        self._used = True

    def put(self, obj: Any, block: bool = True,  # type: ignore[override]
            timeout: Optional[float] = None, **terms: Any) -> Job:
        """Puts an item, and waits while the queue is full, or for `timeout`
        seconds, or, without `block`, not at all; then Full. For `terms` see
        syncd.Queue.put."""
        self._check_open()
        return super().put(obj, block, checked_timeout(timeout), **terms)

    def put_nowait(self, obj: Any) -> Job:
        """put(obj, block=False)."""
        return self.put(obj, block=False)

    def get(self, block: bool = True, timeout: Optional[float] = None) -> Any:
        """Takes an item: waits for one in line, or for `timeout` seconds, or,
        without `block`, not at all; then Empty."""
        self._check_open()
        return super().get(block, checked_timeout(timeout))

    def empty(self) -> bool:
        """Is nothing in it now? OSError if it was used, and is closed."""
        if self._is_closed() and self._used:
            raise OSError("handle is closed")
        return super().empty()


class Queue(_Closing):
    """multiprocessing.Queue: see syncd.Queue, and JoinableQueue. An item is
    finished when get() returns it."""

    def join_thread(self) -> None:
        """Nothing is to be waited for: an item is on disk when put() returns."""
        assert self._is_closed(), f"Queue {self!r} not closed"

    def cancel_join_thread(self) -> None:
        """As if it had not been called: no item is lost."""


class JoinableQueue(Queue):
    """multiprocessing.JoinableQueue: see syncd.Queue. An item is unfinished
    until task_done(), and if the process that got it dies before that, another
    gets it."""

    finished_by_get = False


class SimpleQueue(_Closing):
    """multiprocessing.SimpleQueue: see syncd.SimpleQueue."""

    _used = True

    def __init__(self, name: Optional[str] = None, *,
                 client: Optional[Client] = None,
                 pickle: Optional[PickleTerm] = None) -> None:
        super().__init__(0, name=name, client=client, pickle=pickle)

    def _terms(self) -> Dict[str, Any]:
        return {"pickle": self._pickle}

    def _check_open(self) -> None:
        if self._is_closed():
            raise OSError("handle is closed")
