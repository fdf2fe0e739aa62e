"""@worker for coroutine functions."""
from __future__ import annotations

import asyncio
import functools
from typing import Any, Awaitable, Callable, Optional, Set, Union

from ..work import (check_queue, current, finish_steps, log_failure,
                    repr_of)
from .jobs import Job, Queue, RunningJob
from .run import run


class Worker:
    """What @worker makes of a coroutine function; call it as before.

    await run()    does jobs until the queue is closed, or it is cancelled: then
                   those that run are given back
    await put()    puts a job for it: Queue.put
    """

    def __init__(self, function: Callable[[Any], Awaitable[Any]],
                 queue: Union[str, Queue], tasks: int,
                 lease: Optional[float]) -> None:
        self._function = function
        self._given = queue
        self.queue = Queue(queue) if isinstance(queue, str) else queue
        self._tasks = tasks
        self._lease = lease
        functools.update_wrapper(self, function)

    def __repr__(self) -> str:
        return repr_of(self)

    async def __call__(self, *args: Any, **options: Any) -> Any:
        return await self._function(*args, **options)

    async def put(self, item: Any, **terms: Any) -> Job:
        """Puts a job for this worker; see Queue.put."""
        return await self.queue.put(item, **terms)

    async def run(self) -> None:
        """Does jobs; see above."""
        tasks: Set[asyncio.Task[None]] = {
            asyncio.ensure_future(self._loop()) for _ in range(self._tasks)}
        try:
            done, _ = await asyncio.wait(
                tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    async def _loop(self) -> None:
        async for job in self.queue.jobs(lease=self._lease):
            await self._do(job)

    async def _do(self, job: RunningJob) -> None:
        mark = current.set(job)
        job._begin_keeping()
        result: Any = None
        error: Optional[BaseException] = None
        try:
            result = await self._function(job.item)
        except BaseException as raised:
            error = raised
        if isinstance(error, Exception):
            log_failure(job, error)
        current.reset(mark)
        await run(job.client, finish_steps(job, error, result))
        if error is not None and not isinstance(error, Exception):
            raise error


def worker(queue: Union[str, Queue], *, tasks: int = 1,
           lease: Optional[float] = None
           ) -> Callable[[Callable[[Any], Awaitable[Any]]], Worker]:
    """Makes a coroutine function a worker of a queue, `tasks` jobs at once; see
    syncd.worker.

        @syncd.aio.worker("mail", tasks=10)
        async def send(to):
            ...

        await send.run()
    """
    check_queue(queue)

    def decorate(function: Callable[[Any], Awaitable[Any]]) -> Worker:
        return Worker(function, queue, tasks, lease)
    return decorate
