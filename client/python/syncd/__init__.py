"""syncd for Python: what `threading` and `queue` are for threads, for processes.

    from syncd import Lock, Queue       # instead of threading and queue

and the same program coordinates processes: those that it forks or starts by
multiprocessing, and, by a name given first, any others of this machine, in any
language. A daemon, syncd, has to run.

    lock = Lock("backup")               # whoever says "backup" means this one
    with lock:                          # free when the process ends, however
        print(lock.token)               # greater than any before

    Lock RLock Condition Semaphore BoundedSemaphore Event Barrier
    Queue LifoQueue PriorityQueue SimpleQueue

have the methods, exceptions and reprs of Python's. Without a name they are
private: for this process and those that it forks or hands them to, and gone with
the last of these. Queues lose nothing: an item is on disk when put() returns, and
whoever got it has it until task_done(), or until its process dies; then another
gets it.

    jobs = Queue("mail", 100)           # put() waits while 100 are in it
    jobs.put({"to": "ada"}, priority=-1, delay=60, key="ada")

    for job in jobs.jobs():             # in a worker, until jobs.shutdown()
        with job:                       # done at the end, or failed and tried
            send(job.item)              # again later if there is an exception

What threads cannot have:

    Client, configure     another socket, grace or name; any method by call()
    Queue.get_job, jobs   jobs under a lease: see RunningJob
    Job                   what put() returns: result(), cancel(), retry()
    Batch                 jobs in stages
    worker                a function run on a queue's jobs, by threads or processes
    syncd.aio             the same for asyncio
    syncd.multiprocessing what programs import that say `from multiprocessing`

A restart of the daemon goes unnoticed: whoever waits goes on waiting, and what is
held stays held, for as long as the client's grace (30 s). Later than that it is
lost, and SessionLost or LockLost says so. ConnectError: no daemon is there, and
what to do about it. At its first use a program does not wait for a daemon that
was stopped or not started yet; in what is started beside it, as at boot, say
syncd.configure(connect_timeout=60). All of syncd's own exceptions are Error.
help(syncd.Queue), help(syncd.worker), ... tell the rest.
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
    """These are loaded at their first use, with asyncio and multiprocessing."""
    if name in ("aio", "multiprocessing"):
        return importlib.import_module(f".{name}", __name__)
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
