"""syncd for asyncio: the same classes, with coroutines.

    from syncd.aio import Lock, Queue

    async with Lock("backup"):
        item = await Queue("mail").get()

Everything that asks the daemon is awaited, also what asyncio's own classes do at
once (put_nowait, release, is_set, qsize). Any coroutine may be cancelled, as by
asyncio.wait_for: what it was just granted is given back. Tasks are told apart as
threads are: an RLock belongs to its task. All share the process's session, which
is syncd.client(), with threads too. Where asyncio's classes raise QueueEmpty and
QueueFull, so do these. What cannot be awaited as it is an attribute elsewhere
(`broken` and `n_waiting` of a Barrier) is in show().
"""
from ..errors import BrokenBarrierError
from ..work import current_job
from .jobs import (Batch, Job, LifoQueue, PriorityQueue, Queue, QueueEmpty,
                   QueueFull, RunningJob)
from .primitives import (Barrier, BoundedSemaphore, Condition, Event, Lock,
                         RLock, Semaphore)
from .run import call, owner
from .work import Worker, worker

__all__ = [
    "Barrier", "Batch", "BoundedSemaphore", "BrokenBarrierError", "Condition",
    "Event", "Job", "LifoQueue", "Lock", "PriorityQueue", "Queue",
    "QueueEmpty", "QueueFull", "RLock", "RunningJob", "Semaphore", "Worker",
    "call", "current_job", "owner", "worker",
]
