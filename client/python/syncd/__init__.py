"""syncd for Python: what `threading` and `queue` are for threads, for processes.

    from syncd import Lock, Queue       # instead of threading and queue

and the same program coordinates processes. See help(syncd.Lock), ...
"""
import importlib
from typing import Any

from .barrier import Barrier
from .batch import Batch
from .client import Client, client, configure, owner
from .condition import Condition
from .errors import (BrokenBarrierError, Broken, Cancelled, ClosedError,
                     Conflict, ConnectError, Deadlock, Empty, Error, Fail,
                     Forbidden, Full, InvalidParams, JobCancelled, JobFailed,
                     LimitReached, LockLost, NotFound, OverRelease,
                     ProtocolError, QueueClosed, QueueFull, ReplyError,
                     SessionLost, ShutDown, StaleToken, Unavailable)
from .event import Event
from .job import Job, RunningJob
from .lock import Lock, RLock
from .queue import LifoQueue, PriorityQueue, Queue, SimpleQueue
from .semaphore import BoundedSemaphore, Semaphore
from .work import Worker, current_job, worker

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """syncd.aio is loaded at its first use, and asyncio with it."""
    if name == "aio":
        return importlib.import_module(".aio", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Barrier", "Batch", "BoundedSemaphore", "Broken", "BrokenBarrierError", "Cancelled",
    "Client", "ClosedError", "Condition", "Conflict", "ConnectError",
    "Deadlock", "Empty", "Error", "Event", "Fail", "Forbidden", "Full",
    "InvalidParams", "Job", "JobCancelled", "JobFailed", "LifoQueue",
    "LimitReached", "Lock", "LockLost", "NotFound", "OverRelease",
    "PriorityQueue", "ProtocolError", "Queue", "QueueClosed", "QueueFull",
    "RLock", "ReplyError", "RunningJob", "Semaphore", "SessionLost",
    "ShutDown", "SimpleQueue", "StaleToken", "Unavailable", "Worker",
    "client", "configure", "current_job", "owner", "worker",
]
