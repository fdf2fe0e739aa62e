"""@worker: a function that is run on a queue's jobs."""
from __future__ import annotations

import contextvars
import functools
import importlib
import inspect
import logging
import signal
import sys
import threading
from types import FrameType
from typing import Any, Callable, Dict, List, Optional, Set, Tuple, Union

from .call import Call, Request, Steps
from .client import Client
from .errors import (Cancelled, Error, Fail, QueueClosed, StaleToken,
                     failure_text)
from .job import Job, LeaseSteps, RunningJob, error_of
from .queue import Queue, QueueSteps

Signals_ = Tuple[signal.Signals, ...]
STOPS = (signal.SIGINT, signal.SIGTERM)

current: contextvars.ContextVar[Optional[LeaseSteps]] = \
    contextvars.ContextVar("syncd job", default=None)


def current_job() -> Any:
    """The RunningJob that this worker's function is called for; None outside of
    one. To report progress, to put more jobs into its batch, ..."""
    return current.get()


def log_failure(job: LeaseSteps, error: BaseException) -> None:
    """Nobody else sees a worker's exception before the job is dead."""
    said = error.error if isinstance(error, Fail) else error_of(error)
    logging.getLogger("syncd").warning(
        "job %d of %s failed at try %d: %s", job.id, job.queue, job.attempt,
        failure_text(said), exc_info=None if isinstance(error, Fail) else error)


def finish_steps(job: LeaseSteps, error: Optional[BaseException],
                 result: Any) -> Steps[None]:
    """The end of a worker's job, whatever came of it."""
    try:
        try:
            yield from job._leave_steps(error, result)
        except (TypeError, ValueError) as why:  # a result that is not JSON
            log_failure(job, why)
            yield from job._fail_steps(why, None, False, False)
    except StaleToken:
        pass  # it was cancelled, or is somebody else's


def _find(module: str, name: str) -> Any:
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


class Loops:
    """Threads that take jobs and do them, until the queue is closed or they are
    told to stop. Each job is in one state: waited for (a call), or running."""

    def __init__(self, queue: Queue, function: Callable[[Any], Any],
                 lease: Optional[float]) -> None:
        self._queue = queue
        self._function = function
        self._lease = lease
        self._stopping = False
        self._waiting: Set[Call] = set()
        self._running: Set[RunningJob] = set()
        self._threads: List[threading.Thread] = []
        self._error: Optional[Exception] = None

    def start(self, count: int) -> None:
        """Starts so many."""
        for number in range(1, count + 1):
            thread = threading.Thread(
                target=self._loop, daemon=True,
                name=f"{self._queue.name} {number}")
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """No more jobs are taken. From a signal's handler too."""
        self._stopping = True
        for call in list(self._waiting):
            self._queue.client.session().cancel(call)

    def give_back(self) -> None:
        """Those that run are somebody else's, untried. Also from a handler."""
        self.stop()
        for job in list(self._running):
            self._queue.client.post(Request("queue.fail", {
                "id": job.id, "token": job.token, "free": True, "delay": 0}))

    def wait(self) -> None:
        """Until all have ended; raises what ended them, if it was an error."""
        for thread in self._threads:
            thread.join()
        if self._error is not None:
            raise self._error

    def _loop(self) -> None:
        try:
            while not self._stopping:
                self._do(self._next())
        except (QueueClosed, Cancelled):
            return
        except Exception as error:
            self._end_all(error)

    def _end_all(self, error: Exception) -> None:
        """One thread's error (no daemon, its disk is full) is that of all."""
        if self._error is not None:
            return
        self._error = error
        logging.getLogger("syncd").error("the worker of %s ends: %s",
                                         self._queue.name, error)
        try:
            self.stop()
        except Error:
            pass  # without a daemon the others see for themselves

    def _next(self) -> RunningJob:
        asked: List[Call] = []

        def watch(call: Call) -> None:
            asked.append(call)
            self._waiting.add(call)
            if self._stopping:
                self._queue.client.session().cancel(call)
        queue = self._queue
        try:
            told = queue.client.run(queue._jobs_steps(1, None, self._lease),
                                    watch)
        finally:
            self._waiting.difference_update(asked)
        return RunningJob(queue.client, told[0], queue._pickle)

    def _do(self, job: RunningJob) -> None:
        self._running.add(job)
        mark = current.set(job)
        job._begin_keeping()
        result: Any = None
        error: Optional[Exception] = None
        try:
            result = self._function(job.item)
        except Exception as raised:
            error = raised
        except BaseException as raised:  # sys.exit(), ...: no end of this thread
            error = Fail(error_of(raised))
        if error is not None:
            log_failure(job, error)
        current.reset(mark)
        self._running.discard(job)
        job.client.run(finish_steps(job, error, result))


def check_queue(queue: Any) -> None:
    """Of @worker without parentheses it would be the function."""
    if not isinstance(queue, (str, QueueSteps)):
        raise TypeError("a worker is given its queue: "
                        "@syncd.worker(\"mail\")")


def _name_of(function: Any) -> str:
    """Not everything that can be called has a name: functools.partial."""
    name: str = getattr(function, "__qualname__", "") or repr(function)
    return name


def repr_of(worker: Any) -> str:
    """Of this one or the asyncio one."""
    given = worker._given
    queue = given if isinstance(given, str) else given.name
    return f"<syncd.Worker {_name_of(worker._function)} of {queue!r}>"


class Worker:
    """What @worker makes of a function; call it as before.

    run()     does jobs until the queue is closed, or until INT or TERM: then
              those that run are finished, and at a second signal given back;
              raises what else ends it, as ConnectError if the daemon is gone
              (with processes, one that ends so is replaced)
    start()   the same in the background, with threads
    stop()    ends that: no more jobs are taken; waits for those that run;
              raises as run()
    put()     puts a job for it: Queue.put
    """

    def __init__(self, function: Callable[[Any], Any],
                 queue: Union[str, Queue], threads: int, processes: int,
                 lease: Optional[float], client: Optional[Client]) -> None:
        self._function = function
        self._given = queue
        self._threads = threads
        self._processes = processes
        self._lease = lease
        self._client = client
        self._queue_made: Optional[Queue] = None
        self._loops: Optional[Loops] = None
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self._function(*args, **options)

    def __repr__(self) -> str:
        return repr_of(self)

    def __reduce__(self) -> Any:
        return _find, (self._function.__module__, self._function.__qualname__)

    @property
    def queue(self) -> Queue:
        """The queue its jobs come from."""
        if self._queue_made is None:
            self._queue_made = (
                Queue(self._given, client=self._client)
                if isinstance(self._given, str) else self._given)
        return self._queue_made

    def put(self, item: Any, **terms: Any) -> Job:
        """Puts a job for this worker; see Queue.put."""
        return self.queue.put(item, **terms)

    def start(self) -> None:
        """Does jobs in the background, until stop()."""
        self._started()

    def _started(self) -> Loops:
        if self._loops is not None:
            raise RuntimeError("this worker was started already")
        self._loops = Loops(self.queue, self._function, self._lease)
        self._loops.start(self._threads)
        return self._loops

    def stop(self) -> None:
        """Takes no more jobs, and waits for those that run."""
        loops, self._loops = self._loops, None
        if loops is not None:
            loops.stop()
            loops.wait()

    def run(self) -> None:
        """Does jobs; see above."""
        if self._processes:
            from .processes import Processes
            Processes(self, self._processes).run()
        else:
            self._run_threads(STOPS)

    def _run_threads(self, stop: Signals_, give_back: Signals_ = ()) -> None:
        """run() in this process alone, ended by these signals."""
        loops = self._started()

        def second(number: int) -> None:
            loops.give_back()
            sys.exit(128 + number)
        try:
            with Signals(stop, give_back, loops.stop, second):
                loops.wait()
        finally:
            self._loops = None


class Signals:
    """While it is entered, the first of the signals `stop` calls `first`, each
    later one, and each of `give_back`, calls `second`. Outside of the main thread
    signals are not ours."""

    def __init__(self, stop: Signals_, give_back: Signals_,
                 first: Callable[[], None],
                 second: Callable[[int], None]) -> None:
        self._numbers = {*stop, *give_back}
        self._give_back = give_back
        self._first = first
        self._second = second
        self._count = 0
        self._before: Dict[signal.Signals, Any] = {}

    def _handle(self, number: int, _: Optional[FrameType]) -> None:
        self._count += 1
        if self._count == 1 and number not in self._give_back:
            self._first()
        else:
            self._second(number)

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in self._numbers:
                self._before[number] = signal.signal(number, self._handle)
            # Whoever started this process may have held them back until now.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, self._numbers)

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)


def worker(queue: Union[str, Queue], *, threads: int = 1, processes: int = 0,
           lease: Optional[float] = None, client: Optional[Client] = None
           ) -> Callable[[Callable[[Any], Any]], Worker]:
    """Makes a function a worker of a queue.

        @syncd.worker("mail", threads=4)
        def send(to):
            ...

        send.put("ada@example.org")     # anywhere
        send.run()                      # in the worker: until the queue is closed

    The function gets the item. What it returns is the job's result (None, or
    whatever a queue takes). If it raises an exception the job failed, with that
    as its error, and is tried again; syncd.Fail says more closely how. Failures
    are warnings of logging.getLogger("syncd"), on stderr unless that is set up.
    The lease is kept alive meanwhile. With `processes` that many processes run
    it, with `threads` threads each; one that dies is replaced.
    """
    check_queue(queue)
    if threads < 1 or processes < 0:
        raise ValueError("threads are at least 1, processes at least 0")

    def decorate(function: Callable[[Any], Any]) -> Worker:
        if inspect.iscoroutinefunction(function):
            raise TypeError(f"{_name_of(function)} is a coroutine function: "
                            f"that is for syncd.aio.worker")
        return Worker(function, queue, threads, processes, lease, client)
    return decorate
