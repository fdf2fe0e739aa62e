"""syncd for Python: what `threading` and `queue` are for threads, for processes.

    from syncd import Lock, Queue       # instead of threading and queue

and the same program coordinates processes. See help(syncd.Lock), ...
"""
from .barrier import Barrier
from .client import Client, client, configure, owner
from .condition import Condition
from .errors import (BrokenBarrierError, Broken, Cancelled, ClosedError,
                     Conflict, ConnectError, Deadlock, Empty, Error, Forbidden,
                     Full, InvalidParams, JobCancelled, JobFailed,
                     LimitReached, LockLost, NotFound, OverRelease,
                     ProtocolError, QueueClosed, QueueFull, ReplyError,
                     SessionLost, ShutDown, StaleToken, Unavailable)
from .event import Event
from .job import Job, RunningJob
from .lock import Lock, RLock
from .queue import LifoQueue, PriorityQueue, Queue, SimpleQueue
from .semaphore import BoundedSemaphore, Semaphore

__version__ = "0.1.0"

__all__ = [
    "Barrier", "BoundedSemaphore", "Broken", "BrokenBarrierError", "Cancelled",
    "Client", "ClosedError", "Condition", "Conflict", "ConnectError",
    "Deadlock", "Empty", "Error", "Event", "Forbidden", "Full",
    "InvalidParams", "Job", "JobCancelled", "JobFailed", "LifoQueue",
    "LimitReached", "Lock", "LockLost", "NotFound", "OverRelease",
    "PriorityQueue", "ProtocolError", "Queue", "QueueClosed", "QueueFull",
    "RLock", "ReplyError", "RunningJob", "Semaphore", "SessionLost",
    "ShutDown", "SimpleQueue", "StaleToken", "Unavailable", "client",
    "configure", "owner",
]
