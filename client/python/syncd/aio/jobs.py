"""Queues, jobs and batches, with coroutines."""
from __future__ import annotations

import asyncio
from typing import (Any, AsyncIterator, Dict, Iterable, List,
                    Optional, Sequence)

from ..batch import BatchSteps
from ..call import Steps, checked_timeout
from ..client import Client
from ..errors import Empty, Full, QueueClosed, QueueFull as _Full
from ..item import PickleTerm, priority_of
from ..job import JobSteps, LeaseSteps
from ..names import leading_name
from ..queue import Named, Names, QueueSteps, put_terms
from .primitives import Event
from .run import Declared, owner, run


class QueueEmpty(asyncio.QueueEmpty, Empty):
    """Nothing to get, in time."""


class QueueFull(asyncio.QueueFull, Full):
    """No room to put, in time. `ids`: those that put_many() had put."""

    def __init__(self, text: str = "", ids: Sequence[int] = ()) -> None:
        super().__init__(text)
        self.ids = ids


class Job(JobSteps):
    """syncd.Job with coroutines."""

    async def result(self, timeout: Optional[float] = None) -> Any:
        """What the job was finished with; see syncd.Job.result."""
        return await run(self.client, self._result_steps(timeout))

    async def show(self) -> Dict[str, Any]:
        """All there is to know of it."""
        return await run(self.client, self._show_steps())

    async def cancel(self) -> str:
        """Removes it; the state it was in."""
        return await run(self.client, self._cancel_steps())

    async def retry(self) -> None:
        """Makes a dead one ready again."""
        await run(self.client, self._retry_steps())


class RunningJob(LeaseSteps, Job):
    """syncd.RunningJob with coroutines, and `async with`."""

    async def done(self, result: Any = None) -> None:
        """Finishes it."""
        await run(self.client, self._done_steps(result))

    async def fail(self, error: Any = None, *, delay: Optional[float] = None,
                   dead: bool = False, free: bool = False) -> str:
        """Gives it back; see syncd.RunningJob.fail."""
        return await run(self.client,
                         self._fail_steps(error, delay, dead, free))

    async def extend(self, lease: Optional[float] = None,
                     progress: Any = None) -> None:
        """The lease begins anew."""
        await run(self.client, self._extend_steps(lease, progress))

    async def __aenter__(self) -> RunningJob:
        self._begin_keeping()
        return self

    async def __aexit__(self, kind: Any, error: Optional[BaseException],
                        trace: Any) -> None:
        await run(self.client, self._leave_steps(error))


class Queue(QueueSteps, Declared):
    """syncd.Queue with coroutines: Queue(maxsize=0, *, name, client, pickle,
    take, ...), a name may come first."""

    @leading_name
    def __init__(self, maxsize: int = 0, *, name: Optional[str] = None,
                 client: Optional[Client] = None,
                 pickle: Optional[PickleTerm] = None, take: bool = False,
                 **terms: Any) -> None:
        super().__init__(name, maxsize, client, pickle, take, terms)

    async def put(self, item: Any, timeout: Optional[float] = None, *,
                  priority: Optional[float] = None,
                  delay: Optional[float] = None, key: Optional[str] = None,
                  lease: Optional[float] = None,
                  max_attempts: Optional[int] = None,
                  keep_done: Optional[float] = None,
                  limits: Optional[Names] = None,
                  after: Optional[Names] = None,
                  batch: Optional[Named] = None, stage: Optional[str] = None,
                  inside: Optional[LeaseSteps] = None) -> Job:
        """Puts an item, and waits while the queue is full, at most `timeout`
        seconds; the terms are those of syncd.Queue.put."""
        terms = put_terms(priority, delay, key, lease, max_attempts, keep_done,
                          limits, after, batch, stage, inside)
        try:
            result = await self._run(self._put_steps(
                item, checked_timeout(timeout), terms))
        except Full as full:
            raise QueueFull(str(full)) from None
        return Job(self.client, result["id"], self.name,
                   bool(result.get("duplicate")), self._pickle)

    async def put_nowait(self, item: Any) -> Job:
        """Does not wait for room."""
        return await self.put(item, 0)

    async def put_many(self, items: Iterable[Any],
                       timeout: Optional[float] = None, *,
                       priority: Optional[float] = None,
                       delay: Optional[float] = None,
                       lease: Optional[float] = None,
                       max_attempts: Optional[int] = None,
                       keep_done: Optional[float] = None,
                       batch: Optional[Named] = None,
                       stage: Optional[str] = None,
                       inside: Optional[LeaseSteps] = None) -> List[int]:
        """Puts many, with few messages, on the same terms; their ids."""
        terms = put_terms(priority, delay, None, lease, max_attempts, keep_done,
                          None, None, batch, stage, inside)
        try:
            return await self._run(self._put_many_steps(
                items, checked_timeout(timeout), terms))
        except _Full as full:
            raise QueueFull(str(full), full.ids) from None

    async def get(self, timeout: Optional[float] = None) -> Any:
        """Takes an item, and waits for one, at most `timeout` seconds; until
        task_done() it is this task's."""
        try:
            return await self._run(self._take_steps(checked_timeout(timeout),
                                                    owner()))
        except Empty:
            raise QueueEmpty from None

    async def get_nowait(self) -> Any:
        """Does not wait for an item."""
        return await self.get(0)

    async def task_done(self) -> None:
        """An item that get() returned is finished."""
        await self._run(self._task_done_steps(owner()))

    async def join(self, timeout: Optional[float] = None) -> bool:
        """Waits until every item is finished; False at the timeout."""
        return await self._run(self._join_steps(timeout))

    async def qsize(self) -> int:
        """How many items are in it now."""
        return await self._run(self._size_steps())

    async def empty(self) -> bool:
        """Is nothing in it now?"""
        return await self.qsize() == 0

    async def full(self) -> bool:
        """Is it full now?"""
        most = await self._run(self._capacity_steps())
        return 0 < most <= await self.qsize()

    async def shutdown(self, immediate: bool = False) -> None:
        """No more puts; see syncd.Queue.shutdown."""
        await self._run(self._shutdown_steps(immediate))

    async def get_job(self, timeout: Optional[float] = None, *,
                      lease: Optional[float] = None) -> RunningJob:
        """Leases a job; see syncd.Queue.get_job."""
        return (await self.get_jobs(1, timeout, lease=lease))[0]

    async def get_jobs(self, most: int, timeout: Optional[float] = None, *,
                       lease: Optional[float] = None) -> List[RunningJob]:
        """Leases up to so many jobs; waits for the first only."""
        told = await self._run(self._jobs_steps(most, checked_timeout(timeout),
                                                lease))
        if not told:
            raise QueueEmpty
        return [RunningJob(self.client, one, self._pickle) for one in told]

    async def jobs(self, *, lease: Optional[float] = None
                   ) -> AsyncIterator[RunningJob]:
        """Job after job, until the queue is closed and nothing is left."""
        while True:
            try:
                job = await self.get_job(lease=lease)
            except QueueClosed:
                return
            yield job

    async def show(self) -> Dict[str, Any]:
        """All there is to know of it."""
        return await self._run(self._show_steps())

    async def delete(self, force: bool = False) -> None:
        """Removes it; with `force` also with jobs in it, or in use."""
        await run(self.client, self._delete_steps(force))

    @property
    def maxsize(self) -> int:
        """What it was made with here; show() asks the daemon."""
        return self._maxsize


class LifoQueue(Queue):
    """syncd.LifoQueue with coroutines."""

    order = "lifo"


class PriorityQueue(Queue):
    """syncd.PriorityQueue with coroutines."""

    def _rank(self, item: Any) -> Optional[float]:
        return priority_of(item)


class Batch(BatchSteps, Declared):
    """syncd.Batch with coroutines: Batch(name=None, stages=(), on_failure,
    client), and `async with`, which makes it. Without that it is made by its
    first use: `await batch.create()`."""

    def __init__(self, name: Optional[str] = None,
                 stages: Sequence[str] = (), on_failure: str = "break", *,
                 client: Optional[Client] = None) -> None:
        super().__init__(name, stages, on_failure, client)

    def _declare_steps(self) -> Steps[None]:
        """batch.create."""
        return self._create_steps()

    async def create(self) -> Batch:
        """Makes it, so that jobs can be put into it."""
        if not self._is_declared:
            await run(self.client, self._create_steps())
            self._is_declared = True
        return self

    async def seal(self) -> None:
        """Nothing more comes from outside."""
        await self.create()
        await run(self.client, self._seal_steps())

    async def wait(self, stage: Optional[str] = None,
                   timeout: Optional[float] = None) -> bool:
        """Waits until it is done, or up to `stage`; see syncd.Batch.wait."""
        return await run(self.client, self._wait_steps(stage, timeout))

    async def show(self) -> Dict[str, Any]:
        """Its state, and that of its stages."""
        return await run(self.client, self._show_steps())

    async def cancel(self) -> int:
        """Removes every job that is not done; how many."""
        return await run(self.client, self._cancel_steps())

    async def retry(self) -> int:
        """Makes its dead jobs ready again; how many."""
        return await run(self.client, self._retry_steps())

    async def delete(self) -> None:
        """Forgets it."""
        await run(self.client, self._delete_steps())

    def event(self, stage: str) -> Event:
        """The Event that is set when that stage has passed."""
        return Event(f"batch/{self.name}/{stage}", client=self.client)

    async def __aenter__(self) -> Batch:
        return await self.create()

    async def __aexit__(self, kind: Any, error: Optional[BaseException],
                        trace: Any) -> None:
        await run(self.client, self._leave_steps(error))
