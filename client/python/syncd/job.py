"""Jobs: as their producer sees them, and as whoever has them to do."""
from __future__ import annotations

import traceback
from typing import Any, Dict, List, Optional, Tuple, Type

from .call import Request, Steps, checked_timeout
from .client import Client, client as _own_client
from .errors import Fail, JobCancelled, JobFailed, StaleToken
from .item import PickleTerm, pack, unpack
from .scope import inherit
from .session import Keep

# Of a message and of a traceback so much is kept as a job's error, characters.
TRACE_MAX = 4096


def _text(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # what was wrong is told all the same
        return "<exception str() failed>"


def error_of(error: BaseException) -> Dict[str, str]:
    """An exception as JSON, to be kept with a job; whatever it is."""
    trace = "".join(traceback.format_exception(type(error), error,
                                               error.__traceback__))
    return {"type": type(error).__name__,
            "message": _text(_message(error)[:TRACE_MAX]),
            "traceback": _text(trace[-TRACE_MAX:])}


class JobSteps:
    """What Job and its asyncio sister do, as steps."""

    def __init__(self, client: Client, id: int, queue: str,
                 duplicate: bool = False, pickle: PickleTerm = False) -> None:
        self.client = client
        self.id = id
        self.queue = queue
        self.duplicate = duplicate
        self._pickle = pickle

    def _request(self, method: str, **params: Any) -> Request:
        return Request(method, {"id": self.id, **params})

    def _result_steps(self, timeout: Optional[float]) -> Steps[Any]:
        """What it was finished with."""
        answer = yield Request("job.wait", {"id": self.id},
                               checked_timeout(timeout), repeatable=True)
        if answer["state"] == "done":
            return unpack(answer.get("result"), self._pickle)
        if answer["state"] == "dead":
            raise JobFailed(self.id, answer.get("error"))
        if answer["state"] == "cancelled":
            raise JobCancelled(self.id)
        raise TimeoutError(f"job {self.id} is {answer['state']}")

    def _show_steps(self) -> Steps[Dict[str, Any]]:
        """job.show."""
        result: Dict[str, Any] = yield Request("job.show", {"id": self.id},
                                               repeatable=True)
        return result

    def _cancel_steps(self) -> Steps[str]:
        """job.cancel."""
        result = yield self._request("job.cancel")
        return str(result["state"])

    def _retry_steps(self) -> Steps[None]:
        """job.retry."""
        yield self._request("job.retry")

    def __repr__(self) -> str:
        return f"<syncd.{type(self).__name__} {self.id} of {self.queue!r}>"

    def __reduce__(self) -> Tuple[Any, ...]:
        if self.client is not _own_client():
            raise TypeError("a job of a client of its own cannot be pickled: "
                            "make it anew over there, as Job(client, id, "
                            "queue)")
        return _again, (type(self), self.id, self.queue, self.duplicate,
                        self._pickle)


def _again(kind: Type[JobSteps], id: int, queue: str, *told: Any) -> JobSteps:
    inherit(queue)
    return kind(_own_client(), id, queue, *told)


class Job(JobSteps):
    """A job, as whoever put it has it.

    id         its number
    queue      the name of its queue
    duplicate  True: there was an unfinished one with that key already, and this
               is it
    """

    def result(self, timeout: Optional[float] = None) -> Any:
        """Waits until the job is finished, and returns what it was finished
        with. JobFailed if it is dead, JobCancelled if it was cancelled,
        TimeoutError after `timeout` seconds. NotFound if it was finished before
        and is not kept: put it with keep_done."""
        return self.client.run(self._result_steps(timeout))

    def show(self) -> Dict[str, Any]:
        """All there is to know of it: state, attempts, crashes, progress,
        error, ... NotFound if it is finished and not kept."""
        return self.client.run(self._show_steps())

    def cancel(self) -> str:
        """Removes it, also while it runs; the state it was in."""
        return self.client.run(self._cancel_steps())

    def retry(self) -> None:
        """Makes a dead one ready again, with its tries counted from 0."""
        self.client.run(self._retry_steps())


class LeaseSteps(JobSteps):
    """What RunningJob and its asyncio sister do, as steps."""

    def __init__(self, client: Client, told: Dict[str, Any],
                 pickle: PickleTerm) -> None:
        super().__init__(client, told["id"], told["queue"], pickle=pickle)
        self.token: int = told["token"]
        self.body: Any = told["body"]
        self.priority: float = told["priority"]
        self.attempt: int = told["attempt"]
        self.put_at: float = told["put_at"]
        self.lease: float = told["lease"]
        self.until: float = told["until"]
        self.key: Optional[str] = told.get("key")
        self.batch: Optional[str] = told.get("batch")
        self.stage: Optional[str] = told.get("stage")
        self.finished = False

    def __reduce__(self) -> Tuple[Any, ...]:
        raise TypeError(f"job {self.id} is leased to this process: it cannot "
                        f"be pickled, its item can")

    @property
    def item(self) -> Any:
        """What was put."""
        return unpack(self.body, self._pickle)

    def _own(self, method: str, **params: Any) -> Request:
        return self._request(method, token=self.token, **params)

    def _done_steps(self, result: Any) -> Steps[None]:
        """queue.done."""
        params = {} if result is None else {
            "result": pack(result, self._pickle)}
        self._end_keeping()
        yield self._own("queue.done", **params)
        self.finished = True

    def _fail_steps(self, error: Any, delay: Optional[float], dead: bool,
                    free: bool) -> Steps[str]:
        """queue.fail; the state it is in then."""
        params: Dict[str, Any] = {}
        if isinstance(error, BaseException):
            error = error_of(error)
        if error is not None:
            params["error"] = pack(error, False)
        if delay is not None:
            params["delay"] = delay
        for name, flag in (("dead", dead), ("free", free)):
            if flag:
                params[name] = True
        self._end_keeping()
        result = yield self._own("queue.fail", **params)
        self.finished = True
        return str(result["state"])

    def _extend_steps(self, lease: Optional[float], progress: Any
                      ) -> Steps[None]:
        """queue.extend."""
        params: Dict[str, Any] = {}
        if lease is not None:
            params["lease"] = lease
        if progress is not None:
            params["progress"] = pack(progress, False)
        result = yield self._own("queue.extend", **params)
        self.until = result["until"]
        if lease is not None:
            self.lease = lease

    def _leave_steps(self, error: Optional[BaseException],
                     result: Any = None) -> Steps[None]:
        """The end of a `with`: done, failed, or given back."""
        if self.finished:
            return
        try:
            if error is None:
                yield from self._done_steps(result)
            elif isinstance(error, Fail):
                yield from self._fail_steps(error.error, error.delay,
                                            error.dead, error.free)
            elif isinstance(error, Exception):
                yield from self._fail_steps(error, None, False, False)
            else:
                yield from self._fail_steps(None, 0.0, False, True)
        except StaleToken:
            if error is None:
                raise
        finally:
            self._end_keeping()

    def _begin_keeping(self) -> None:
        """From now on its lease is extended by itself."""
        self.client.keep(("lease", self.id, self.token),
                         Keep(self._own("queue.extend"), self.lease / 3))

    def _end_keeping(self) -> None:
        """No more."""
        self.client.keep(("lease", self.id, self.token), None)


class RunningJob(LeaseSteps, Job):
    """A job that is leased to this process, which has to finish it.

        with queue.get_job() as job:
            send(job.item)

    As a context manager it keeps the lease alive, and at the end finishes the
    job, or fails it if there was an exception (which goes on), or gives it back
    if that was KeyboardInterrupt or the like; syncd.Fail says more closely how.
    Without `with`: done() or fail() within `lease` seconds, or extend().

    item               what was put
    id, queue, key     which job it is
    token              greater than that of whoever had it before
    attempt            1 at the first try
    priority, put_at   as it was put; Unix seconds
    lease, until       seconds; until when
    batch, stage       where it belongs, or None
    """

    def done(self, result: Any = None) -> None:
        """Finishes it; `result` is what job.result() returns. StaleToken if it
        is no longer ours: then somebody else has it, or had it."""
        self.client.run(self._done_steps(result))

    def fail(self, error: Any = None, *, delay: Optional[float] = None,
             dead: bool = False, free: bool = False) -> str:
        """Gives it back, to be tried again after the queue's backoff, or after
        `delay` seconds; the state it is in then. `error` (any JSON, or an
        exception) is kept with it. dead: no more tries. free: this one does not
        count."""
        return self.client.run(self._fail_steps(error, delay, dead, free))

    def extend(self, lease: Optional[float] = None,
               progress: Any = None) -> None:
        """The lease begins anew, `lease` seconds long. `progress` (any JSON) is
        shown by `syncctl job show`."""
        self.client.run(self._extend_steps(lease, progress))

    def __enter__(self) -> RunningJob:
        self._begin_keeping()
        return self

    def __exit__(self, kind: Any, error: Optional[BaseException],
                 trace: Any) -> None:
        self.client.run(self._leave_steps(error))


def requests_to_give_back(jobs: List[Dict[str, Any]]) -> List[Request]:
    """Jobs that were handed out to nobody: ready again, as if untried."""
    return [Request("queue.fail", {"id": job["id"], "token": job["token"],
                                   "free": True, "delay": 0})
            for job in jobs]
