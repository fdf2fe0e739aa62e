"""Queue, LifoQueue, PriorityQueue, SimpleQueue: those of the module queue, for
processes."""
from __future__ import annotations

import os
import warnings
from typing import (Any, Dict, Iterable, Iterator, List, Optional, Sequence,
                    Union, overload)

from .call import Request, Steps, checked_timeout
from .client import Client, owner as _thread_owner
from .errors import Empty, NotFound, QueueClosed, QueueFull, StaleToken
from .item import PickleTerm, pack, priority_of, unpack
from .job import (Job, LeaseSteps, RunningJob, error_of,
                  requests_to_give_back)
from .names import Thing, leading_name
from .scope import PRIVATE

# What get() takes stays ours as long as this process lives: its session ends
# with it, and then the daemon hands the item out again. Seconds; ten years.
LEASE_OF_GET = 315360000.0

# So many items without a task_done(), and a warning is due.
UNFINISHED_MANY = 10000

# Most items in one message of put_many, and about so many bytes.
MANY_ITEMS = 1000

Named = Union[str, Thing]
Names = Union[Named, Sequence[Named]]


def name_of(thing: Any) -> str:
    """A name, or the name of a Semaphore, an Event, a Batch, a Queue."""
    name = thing if isinstance(thing, str) else getattr(thing, "name", None)
    if not isinstance(name, str):
        raise TypeError(f"a name is wanted, or what has one, not {thing!r}")
    return name


def names_of(things: Names) -> List[str]:
    """Their names; one alone is a list of it, not of its letters."""
    if isinstance(things, (str, Thing)):
        things = [things]
    return [name_of(one) for one in things]


def put_timeout(block: bool, timeout: Optional[float]) -> Optional[float]:
    """As the module queue reads these two."""
    if not block:
        return 0.0
    if timeout is not None and timeout < 0:
        raise ValueError("'timeout' must be a non-negative number")
    return checked_timeout(timeout)


def put_terms(priority: Optional[float] = None, delay: Optional[float] = None,
              key: Optional[str] = None, lease: Optional[float] = None,
              max_attempts: Optional[int] = None,
              keep_done: Optional[float] = None,
              limits: Optional[Names] = None,
              after: Optional[Names] = None,
              batch: Optional[Named] = None, stage: Optional[str] = None,
              inside: Optional[LeaseSteps] = None) -> Dict[str, Any]:
    """The terms of a put as parameters of queue.put."""
    terms: Dict[str, Any] = {
        "priority": priority, "delay": delay, "key": key, "lease": lease,
        "max_attempts": max_attempts, "keep_done": keep_done, "stage": stage}
    if limits is not None:
        terms["limits"] = names_of(limits)
    if after is not None:
        terms["after"] = names_of(after)
    if inside is not None:
        terms["from"] = {"id": inside.id, "token": inside.token}
        batch = inside.batch if batch is None else batch
    if batch is not None:
        terms["batch"] = name_of(batch)
    return {name: value for name, value in terms.items() if value is not None}


class QueueSteps(Thing):
    """What the queues and their asyncio sisters do, as steps.

    `unfinished` of this process's get() are with the client, by name, so that
    two objects of one name are one queue here too.
    """

    order = "fifo"

    def __init__(self, name: Optional[str], maxsize: Optional[int],
                 client: Optional[Client], pickle: Optional[PickleTerm],
                 take: bool, terms: Dict[str, Any]) -> None:
        super().__init__(name, client)
        if pickle is None:
            pickle = os.urandom(32) if name is None else False
        self._pickle: PickleTerm = pickle
        self._take = take
        self._maxsize = 0 if maxsize is None else maxsize
        self._declared = {key: value for key, value in terms.items()
                          if value is not None}
        if maxsize or name is None:
            self._declared["capacity"] = max(self._maxsize, 0)
        if self.order != "fifo":
            self._declared["order"] = self.order
        self._cleanup(self._request("queue.delete", force=True))

    def _terms(self) -> Dict[str, Any]:
        return {"maxsize": self._maxsize, "pickle": self._pickle,
                "take": self._take}

    def _request(self, method: str, **params: Any) -> Request:
        return Request(method, {"queue": self.name, **params})

    def _reading(self, method: str, **params: Any) -> Request:
        request = self._request(method, **params)
        request.repeatable = True
        return request

    def _declare_steps(self) -> Steps[None]:
        """Says the terms, where there are any."""
        if self._declared:
            yield self._request("queue.declare", **self._declared)

    # Putting.

    def _rank(self, item: Any) -> Optional[float]:
        del item
        return None

    def _delete_steps(self, force: bool) -> Steps[None]:
        """queue.delete."""
        yield self._request("queue.delete", force=force)

    def _put_steps(self, item: Any, timeout: Optional[float],
                   terms: Dict[str, Any]) -> Steps[Dict[str, Any]]:
        """queue.put of one."""
        rank = self._rank(item) if "priority" not in terms else None
        if rank is not None:
            terms["priority"] = rank
        request = self._request("queue.put", body=pack(item, self._pickle),
                                **terms)
        request.timeout = timeout
        result: Dict[str, Any] = yield request
        return result

    def _put_many_steps(self, items: Iterable[Any], timeout: Optional[float],
                        terms: Dict[str, Any]) -> Steps[List[int]]:
        """queue.put of many, in as few messages as the queue's room allows."""
        ids: List[int] = []
        most = min(MANY_ITEMS, self._maxsize) if self._maxsize > 0 else \
            MANY_ITEMS
        jobs: List[Dict[str, Any]] = []
        for item in items:
            job: Dict[str, Any] = {"body": pack(item, self._pickle)}
            rank = self._rank(item) if "priority" not in terms else None
            if rank is not None:
                job["priority"] = rank
            jobs.append(job)
            if len(jobs) >= most:
                yield from self._put_jobs(jobs, timeout, terms, ids)
                jobs = []
        if jobs:
            yield from self._put_jobs(jobs, timeout, terms, ids)
        return ids

    def _put_jobs(self, jobs: List[Dict[str, Any]], timeout: Optional[float],
                  terms: Dict[str, Any], ids: List[int]) -> Steps[None]:
        """One message of put_many; `ids` grows."""
        if any("priority" in job for job in jobs):
            request = self._request("queue.put", jobs=jobs, **terms)
        else:
            request = self._request("queue.put",
                                    bodies=[job["body"] for job in jobs],
                                    **terms)
        request.timeout = timeout
        try:
            result = yield request
        except QueueFull as full:
            full.ids = ids
            raise
        ids += result["ids"]

    # Getting.

    def _take_steps(self, timeout: Optional[float], owner: str) -> Steps[Any]:
        """One item, as Queue.get: finished by task_done, or at once."""
        request = self._request("queue.get")
        request.timeout = timeout
        request.undo = self._undo_get
        if self._take:
            request.params["take"] = True
        else:
            request.params["lease"] = LEASE_OF_GET
            request.repeatable = True
        result = yield request
        if not result["jobs"]:
            raise Empty
        job = result["jobs"][0]
        try:
            item = unpack(job["body"], self._pickle)
        except Exception as error:
            self._refuse(job, error)
            raise
        if not self._take:
            taken = self.client.taken_of(self.name)
            taken.add(job["id"], job["token"], owner)
            if len(taken.jobs) > UNFINISHED_MANY and not taken.warned:
                taken.warned = True
                warnings.warn(
                    f"{UNFINISHED_MANY} items of the queue {self.name} were "
                    f"got without a task_done(): they stay unfinished, and "
                    f"come back if this process is killed; with take=True an "
                    f"item is finished by get()", RuntimeWarning, stacklevel=4)
        return item

    def _refuse(self, job: Dict[str, Any], error: Exception) -> None:
        """An item that cannot be loaded here failed: it may be another's to
        load, and must not be what the next task_done() finishes."""
        if not self._take:
            self.client.post(Request("queue.fail", {
                "id": job["id"], "token": job["token"],
                "error": error_of(error)}))

    def _undo_get(self, result: Dict[str, Any]) -> List[Request]:
        jobs = result["jobs"]
        if not self._take:
            return requests_to_give_back(jobs)
        return [self._request("queue.put", body=job["body"],
                              priority=job["priority"]) for job in jobs]

    def _jobs_steps(self, most: int, timeout: Optional[float],
                    lease: Optional[float]) -> Steps[List[Dict[str, Any]]]:
        """queue.get, as it comes."""
        request = self._request("queue.get")
        if most != 1:
            request.params["max"] = most
        if lease is not None:
            request.params["lease"] = lease
        request.timeout = timeout
        request.repeatable = True
        request.undo = lambda result: requests_to_give_back(result["jobs"])
        result = yield request
        jobs: List[Dict[str, Any]] = result["jobs"]
        return jobs

    def _task_done_steps(self, owner: str) -> Steps[None]:
        """Finishes what this thread got first, or else what any got."""
        taken = self.client.taken_of(self.name)
        taken.task_done = True
        entry = taken.pop(owner)
        if entry is None and not taken.lost:
            raise ValueError("task_done() called too many times")
        try:
            if entry is not None:
                yield self._request_done(entry[0], entry[1])
                return
            taken.lost -= 1
        except StaleToken:
            pass
        warnings.warn(
            f"an item of the queue {self.name} was done, but had gone back when "
            f"the daemon crashed or was away for too long: it is done again by "
            f"somebody",
            RuntimeWarning, stacklevel=4)

    @staticmethod
    def _request_done(job: int, token: int) -> Request:
        return Request("queue.done", {"id": job, "token": token})

    def _join_steps(self, timeout: Optional[float]) -> Steps[bool]:
        """queue.join."""
        request = self._reading("queue.join")
        request.timeout = checked_timeout(timeout)
        result = yield request
        return bool(result["joined"])

    # Looking.

    def _show_steps(self) -> Steps[Dict[str, Any]]:
        """queue.show."""
        result: Dict[str, Any] = yield self._reading("queue.show")
        return result

    def _size_steps(self) -> Steps[int]:
        """How many items are in it."""
        try:
            shown = yield self._reading("queue.show")
        except NotFound:
            return 0
        return int(shown["counts"]["ready"] + shown["counts"]["delayed"])

    def _unfinished_steps(self) -> Steps[int]:
        """How many are not finished."""
        try:
            shown = yield self._reading("queue.show")
        except NotFound:
            return 0
        return int(shown["unfinished"])

    def _capacity_steps(self) -> Steps[int]:
        """What it holds at most."""
        try:
            shown = yield self._reading("queue.show")
        except NotFound:
            return 0
        return int(shown["capacity"])

    def _shutdown_steps(self, immediate: bool) -> Steps[None]:
        """queue.close, and with `immediate` nothing is left."""
        yield self._request("queue.declare")
        yield self._request("queue.close")
        if immediate:
            yield self._request("queue.purge",
                                states=["held", "delayed", "ready"])


class Queue(QueueSteps):
    """queue.Queue, for processes: first in, first out, and nothing is lost.

        q = Queue("mail", 5)            # room for 5: put() waits while it is full
        q.put({"to": "ada"})
        item = q.get(); ...; q.task_done()

    Queue(maxsize=0, *, name=None, client=None, pickle=None, take=False,
          lease, max_attempts, backoff, keep_done, concurrency, max_bytes,
          durable): a name may come first, and then all who say it mean one queue.
    Without maxsize a private queue has no limit, and a named one has that which
    it was declared with (10000 unless anybody says otherwise).

    Whoever got an item has it until task_done(), and if its process dies before
    that, another gets it. In a program that never calls task_done() an item is
    finished when the process ends in order; take=True finishes it by get().

    Items are JSON, or other plain data: None, bool, int, float, str, bytes, list,
    tuple, dict, set. A private queue takes whatever pickle takes; a named one
    with pickle=b"some secret", or pickle=True if everybody who may use the daemon
    is trusted, as loading a pickle runs what it says.

    Beyond queue.Queue: get_job() leases a job, to be done() or fail()ed; jobs()
    are all of them; put() takes terms and returns a Job with a result().

    The other options are terms of the queue, and stay as they are unless given:
    lease (seconds a job may take, unless extended), max_attempts, backoff
    ({"base": 1, "factor": 2, "max": 300, "jitter": 0}), keep_done (seconds a
    finished job can be looked up), concurrency (most jobs running at once),
    max_bytes, durable.
    """

    @overload
    def __init__(self, name: str, maxsize: int = 0, *,
                 client: Optional[Client] = None,
                 pickle: Optional[PickleTerm] = None, take: bool = False,
                 **terms: Any) -> None: ...

    @overload
    def __init__(self, maxsize: int = 0, *, name: Optional[str] = None,
                 client: Optional[Client] = None,
                 pickle: Optional[PickleTerm] = None, take: bool = False,
                 **terms: Any) -> None: ...

    @leading_name
    def __init__(self, maxsize: int = 0, *, name: Optional[str] = None,
                 client: Optional[Client] = None,
                 pickle: Optional[PickleTerm] = None, take: bool = False,
                 **terms: Any) -> None:
        super().__init__(name, maxsize, client, pickle, take, terms)
        self.client.run(self._declare_steps())

    # As in the module queue.

    def put(self, item: Any, block: bool = True,
            timeout: Optional[float] = None, *,
            priority: Optional[float] = None, delay: Optional[float] = None,
            key: Optional[str] = None, lease: Optional[float] = None,
            max_attempts: Optional[int] = None,
            keep_done: Optional[float] = None,
            limits: Optional[Names] = None,
            after: Optional[Names] = None,
            batch: Optional[Named] = None, stage: Optional[str] = None,
            inside: Optional[LeaseSteps] = None) -> Job:
        """Puts an item, and waits while the queue is full, or for `timeout`
        seconds, or, with block=False, not at all; then Full. When it returns,
        the item is on disk.

        priority      a number, the smallest first; 0
        delay         not before so many seconds have passed
        key           while an unfinished job bears it, no second one is put: the
                      Job returned is that one, and its `duplicate` is True
        lease, max_attempts, keep_done   instead of the queue's
        limits        BoundedSemaphores or their names, one or a list: it runs
                      while it has a permit of each
        after         Events or their names, one or a list: it waits until each
                      was set
        batch, stage  it belongs to that stage of a Batch
        inside        a RunningJob that puts it into its own batch
        """
        terms = put_terms(priority, delay, key, lease, max_attempts, keep_done,
                          limits, after, batch, stage, inside)
        result = self.client.run(self._put_steps(
            item, put_timeout(block, timeout), terms))
        return Job(self.client, result["id"], self.name,
                   bool(result.get("duplicate")), self._pickle)

    def put_nowait(self, item: Any) -> Job:
        """put(item, block=False)."""
        return self.put(item, block=False)

    def get(self, block: bool = True, timeout: Optional[float] = None) -> Any:
        """Takes an item: waits for one in line, or for `timeout` seconds, or,
        with block=False, not at all; then Empty. ShutDown if the queue is closed
        and nothing is left. An item that cannot be loaded, as another's pickle,
        raises why, and has failed: it is tried again, and at last dead; with
        take=True it is finished all the same."""
        return self.client.run(self._take_steps(put_timeout(block, timeout),
                                                _thread_owner()))

    def get_nowait(self) -> Any:
        """get(block=False)."""
        return self.get(block=False)

    def task_done(self) -> None:
        """An item that get() returned is finished: the one that this thread got
        first, or else any. ValueError if there is none."""
        self.client.run(self._task_done_steps(_thread_owner()))

    def join(self, timeout: Optional[float] = None) -> bool:
        """Waits until every item ever put is finished, by whomever. False if
        `timeout` seconds passed first."""
        return self.client.run(self._join_steps(timeout))

    def qsize(self) -> int:
        """How many items are in it now."""
        return self.client.run(self._size_steps())

    def empty(self) -> bool:
        """Is nothing in it now?"""
        return self.qsize() == 0

    def full(self) -> bool:
        """Is it full now?"""
        maxsize = self.maxsize
        return 0 < maxsize <= self.qsize()

    def shutdown(self, immediate: bool = False) -> None:
        """No more puts: they raise ShutDown. get() gives what is left, and then
        raises it too, when everything that was got is finished: until then it may
        come back. So a consumer calls task_done(), or the queue has take=True.
        immediate: nothing is left."""
        self.client.run(self._shutdown_steps(immediate))

    @property
    def is_shutdown(self) -> bool:
        """Was it shut down?"""
        return bool(self.client.run(self._show_steps())["closed"])

    @property
    def maxsize(self) -> int:
        """Most items in it; 0: no limit. Setting it declares it."""
        if self._maxsize or self.name.startswith(PRIVATE):
            return self._maxsize
        return self.client.run(self._capacity_steps())

    @maxsize.setter
    def maxsize(self, maxsize: int) -> None:
        self.client.call("queue.declare", queue=self.name,
                         capacity=max(maxsize, 0))
        self._maxsize = maxsize

    @property
    def unfinished_tasks(self) -> int:
        """How many were put and are not finished yet."""
        return self.client.run(self._unfinished_steps())

    # Beyond it.

    def put_many(self, items: Iterable[Any], block: bool = True,
                 timeout: Optional[float] = None, *,
                 priority: Optional[float] = None,
                 delay: Optional[float] = None,
                 lease: Optional[float] = None,
                 max_attempts: Optional[int] = None,
                 keep_done: Optional[float] = None,
                 batch: Optional[Named] = None, stage: Optional[str] = None,
                 inside: Optional[LeaseSteps] = None) -> List[int]:
        """Puts many, with few messages, on the same terms (see put); their ids.
        `timeout` is for each message; those sent before stay put, and are the
        `ids` of Full."""
        terms = put_terms(priority, delay, None, lease, max_attempts, keep_done,
                          None, None, batch, stage, inside)
        return self.client.run(self._put_many_steps(
            items, put_timeout(block, timeout), terms))

    def get_job(self, block: bool = True, timeout: Optional[float] = None, *,
                lease: Optional[float] = None) -> RunningJob:
        """Leases a job, for `lease` seconds (the queue's unless given): see
        RunningJob. Waits as get() does."""
        return self.get_jobs(1, block, timeout, lease=lease)[0]

    def get_jobs(self, most: int, block: bool = True,
                 timeout: Optional[float] = None, *,
                 lease: Optional[float] = None) -> List[RunningJob]:
        """Leases up to so many jobs; waits for the first only."""
        told = self.client.run(self._jobs_steps(
            most, put_timeout(block, timeout), lease))
        if not told:
            raise Empty
        return [RunningJob(self.client, one, self._pickle) for one in told]

    def jobs(self, *, lease: Optional[float] = None) -> Iterator[RunningJob]:
        """Job after job, until the queue is closed and nothing is left.

            for job in Queue("mail").jobs():
                with job:
                    send(job.item)
        """
        while True:
            try:
                job = self.get_job(lease=lease)
            except QueueClosed:
                return
            yield job

    def show(self) -> Dict[str, Any]:
        """All there is to know of it: terms, counts by state, waiting, rates.
        NotFound if it was never used."""
        return self.client.run(self._show_steps())

    def delete(self, force: bool = False) -> None:
        """Removes it; with `force` also with jobs in it, or in use. A named one
        that was given no maxsize nor terms goes after an hour empty."""
        self.client.run(self._delete_steps(force))

    def __repr__(self) -> str:
        return (f"<syncd.{type(self).__name__} object{self._label()} at "
                f"{id(self):#x}>")


class LifoQueue(Queue):
    """queue.LifoQueue, for processes: last in, first out. See Queue."""

    order = "lifo"


class PriorityQueue(Queue):
    """queue.PriorityQueue, for processes: the smallest item first. See Queue.

    The daemon knows numbers: an item stands for itself if it is one, a tuple for
    its first element, an object for its attribute `priority`, text for its first
    six bytes; or say put(item, priority=...). Among equal ones the first put is
    the first got, where Python would compare what is behind.
    """

    def _rank(self, item: Any) -> Optional[float]:
        return priority_of(item)


class SimpleQueue(Queue):
    """queue.SimpleQueue, for processes: no limit, no task_done; an item is
    finished by get(). SimpleQueue(name=None, *, client=None, pickle=None)."""

    def __init__(self, name: Optional[str] = None, *,
                 client: Optional[Client] = None,
                 pickle: Optional[PickleTerm] = None) -> None:
        super().__init__(0, name=name, client=client, pickle=pickle, take=True)

    def _terms(self) -> Dict[str, Any]:
        return {"pickle": self._pickle}
