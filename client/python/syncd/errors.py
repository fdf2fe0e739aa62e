"""What goes wrong, as exceptions.

    Error
    +- ConnectError      no daemon there, or none that may be used
    +- SessionLost       the daemon was gone for longer than the grace
    |  +- LockLost       ... and with it a lock or a permit that was held
    +- ProtocolError     what answers is no syncd, or of another version
    +- ClosedError       this client was closed
    +- Fail              raised by a worker's function, to say how a job failed
    +- JobFailed         job.result() of a job that is dead
    +- JobCancelled      job.result() of a job that was cancelled
    +- ReplyError        the daemon says no: `name`, `code`, `data`, `retryable`
       +- QueueFull, QueueClosed, NotFound, Conflict, StaleToken, Broken,
          LimitReached, Forbidden, Unavailable, Cancelled, OverRelease, Deadlock,
          InvalidParams

Where Python's own modules raise something, these are that too: QueueFull is a
queue.Full, QueueClosed a ShutDown, OverRelease a ValueError, Broken a
threading.BrokenBarrierError, Deadlock a RuntimeError.
"""
from __future__ import annotations

import queue as _queue
import threading as _threading
from typing import Any, Dict, Optional, Sequence, Tuple, Type

Empty = _queue.Empty
Full = _queue.Full
BrokenBarrierError = _threading.BrokenBarrierError


class _OwnShutDown(Exception):
    """Put to a queue that was shut down, or get from one that is and has
    nothing left. From Python 3.13 on it is queue.ShutDown."""


ShutDown: Type[Exception] = getattr(_queue, "ShutDown", _OwnShutDown)


class Error(Exception):
    """Everything that is syncd's own is one of these."""

    def __reduce__(self) -> Tuple[Any, ...]:
        # Python would call the class with `args`, which is the text alone; a
        # Pool whose worker raised such a thing would wait for ever.
        return _again, (type(self), self.args), self.__dict__


def _again(kind: Type[Error], args: Tuple[Any, ...]) -> Error:
    error = kind.__new__(kind)
    error.args = args
    return error


class ConnectError(Error, ConnectionError):
    """No daemon there, or none that may be used; the text says what to do."""


class SessionLost(Error, ConnectionError):
    """The daemon was gone for longer than the session's grace, or was started
    anew without its data: what this process held is held no more. The text says
    whether the call at hand may have been carried out."""


class LockLost(SessionLost, RuntimeError):
    """What is being released was lost before, with the session."""


class ProtocolError(Error):
    """What answers at the socket does not speak as syncd does."""


class ClosedError(Error, RuntimeError):
    """The client was closed."""


class _RemoteTraceback(Exception):
    """Where it happened, as the cause of what is raised here for it."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


def failure_text(error: Any) -> str:
    """What a job failed with, in words: an exception of Python, or a command
    of syncctl work."""
    if not isinstance(error, dict):
        return str(error)
    for first, words, rest in (
            ("type", "{}", "message"),
            ("timeout", "it took too long", "stderr"),
            ("signal", "signal {} ended it", "stderr"),
            ("exit", "it exited with status {}", "stderr")):
        if first in error:
            text = f"{words.format(error[first])}: {error.get(rest, '')}"
            return text.rstrip().removesuffix(":")
    return str(error)


class JobFailed(Error):
    """The job is dead: `error` is what it failed with the last time, `job` its
    id. An exception of Python is a dict: type, message, traceback."""

    def __init__(self, job: int, error: Any) -> None:
        super().__init__(f"job {job} is dead: {failure_text(error)}")
        self.job = job
        self.error = error
        if isinstance(error, dict) and "traceback" in error:
            self.__cause__ = _RemoteTraceback(error["traceback"])


class Fail(Error):
    """To be raised by a worker's function: the job failed with `error` (any
    JSON), and is tried again after `delay` seconds instead of the queue's
    backoff; with dead=True not again; with free=True this try does not count.

        raise syncd.Fail("no such user", dead=True)
    """

    def __init__(self, error: Any = None, *, delay: Optional[float] = None,
                 dead: bool = False, free: bool = False) -> None:
        super().__init__(error)
        self.error = error
        self.delay = delay
        self.dead = dead
        self.free = free


class JobCancelled(Error):
    """The job was cancelled, or purged with its queue; `job` is its id."""

    def __init__(self, job: int) -> None:
        super().__init__(f"job {job} was cancelled")
        self.job = job


class ReplyError(Error):
    """The daemon answered with an error.

    `name` and `code` are those of proto/PROTOCOL.md ("queue_full", -32001),
    `data` has what comes with it, `retryable` tells whether the same request
    may succeed later as it is.
    """

    # Set when the request had been sent before, on an earlier connection.
    resent = False

    def __init__(self, error: Dict[str, Any]) -> None:
        super().__init__(str(error.get("message", "an error without a text")))
        self.code: int = error.get("code", 0)
        self.data: Dict[str, Any] = error.get("data") or {}
        self.name: str = self.data.get("name", "")
        self.retryable: bool = bool(self.data.get("retryable", False))


class InvalidParams(ReplyError, ValueError):
    """A parameter is missing, unknown or out of range: data["param"]."""


class QueueFull(ReplyError, _queue.Full):
    """No room within the timeout. `ids`: those that put_many() had put."""

    ids: Sequence[int] = ()


class QueueClosed(ReplyError, ShutDown):  # type: ignore[valid-type,misc]
    """Put to a closed queue, or get from one that has nothing left."""


class NotFound(ReplyError, LookupError):
    """No such job, queue, semaphore, batch, ..."""


class Conflict(ReplyError):
    """It is there already on other terms, or is in use."""


class StaleToken(ReplyError):
    """The lease or the lock is no longer this one's."""


class Broken(ReplyError, _threading.BrokenBarrierError):
    """A broken barrier or batch: data["reason"]; of a batch with a dead job also
    data["job"] and data["error"]."""


class LimitReached(ReplyError):
    """A limit of the daemon: data["limit"], data["value"]."""


class Forbidden(ReplyError, PermissionError):
    """This user may not do that."""


class Unavailable(ReplyError):
    """The disk is full; nothing was done."""


class Cancelled(ReplyError):
    """The request was cancelled by this client."""


class OverRelease(ReplyError, ValueError):
    """More permits given back than are held."""


class Deadlock(ReplyError, RuntimeError):
    """This wait would never end: data["cycle"] says who holds what and waits
    for what."""


_BY_NAME: Dict[str, Type[ReplyError]] = {
    "invalid_params": InvalidParams,
    "queue_full": QueueFull,
    "queue_closed": QueueClosed,
    "not_found": NotFound,
    "conflict": Conflict,
    "stale_token": StaleToken,
    "broken": Broken,
    "limit": LimitReached,
    "forbidden": Forbidden,
    "unavailable": Unavailable,
    "cancelled": Cancelled,
    "over_release": OverRelease,
    "deadlock": Deadlock,
}


def error_of(reply: Dict[str, Any]) -> ReplyError:
    """The exception for the `error` of a reply."""
    data = reply.get("data")
    name = data.get("name") if isinstance(data, dict) else None
    return _BY_NAME.get(str(name), ReplyError)(reply)
