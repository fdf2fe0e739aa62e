"""Batch: jobs in stages, each a barrier and an event."""
from __future__ import annotations

from typing import Any, Dict, Optional, Sequence

from .call import Request, Steps, checked_timeout
from .client import Client
from .event import Event
from .names import Thing


class BatchSteps(Thing):
    """What Batch and its asyncio sister do, as steps."""

    def __init__(self, name: Optional[str], stages: Sequence[str],
                 on_failure: str, client: Optional[Client]) -> None:
        if name is None and not stages:
            raise ValueError("a new batch needs stages: "
                             "Batch(stages=['fetch', 'process'])")
        super().__init__(name, client)
        self._is_private = False  # the daemon names it, and keeps it
        self._named = name is not None
        self._stages = [stages] if isinstance(stages, str) else list(stages)
        self._on_failure = on_failure

    def _request(self, method: str, **params: Any) -> Request:
        return Request(method, {"batch": self.name, **params})

    def _create_steps(self) -> Steps[None]:
        """batch.create, if stages were given."""
        if not self._stages:
            return
        params: Dict[str, Any] = {"stages": self._stages,
                                  "on_failure": self._on_failure}
        if self._named:
            params["batch"] = self.name
        result = yield Request("batch.create", params)
        self.name = result["batch"]

    def _seal_steps(self) -> Steps[None]:
        """batch.seal."""
        yield self._request("batch.seal")

    def _wait_steps(self, stage: Optional[str], timeout: Optional[float]
                    ) -> Steps[bool]:
        """batch.wait."""
        request = self._request("batch.wait")
        if stage is not None:
            request.params["stage"] = stage
        request.timeout = checked_timeout(timeout)
        request.repeatable = True
        result = yield request
        return bool(result["passed"])

    def _show_steps(self) -> Steps[Dict[str, Any]]:
        """batch.show."""
        result: Dict[str, Any] = yield self._request("batch.show")
        return result

    def _cancel_steps(self) -> Steps[int]:
        """batch.cancel."""
        result = yield self._request("batch.cancel")
        return int(result["cancelled"])

    def _retry_steps(self) -> Steps[int]:
        """batch.retry."""
        result = yield self._request("batch.retry")
        return int(result["retried"])

    def _delete_steps(self) -> Steps[None]:
        """batch.delete."""
        yield self._request("batch.delete")

    def _leave_steps(self, error: Optional[BaseException]) -> Steps[None]:
        """The end of a `with`."""
        if error is None:
            yield from self._seal_steps()
        else:
            yield from self._cancel_steps()

    def __repr__(self) -> str:
        return f"<syncd.{type(self).__name__} {self.name!r}>"


class Batch(BatchSteps):
    """Jobs in stages: those of a stage are handed out when all of the one before
    are done, whoever does them, and whatever crashes.

        with Batch(stages=["fetch", "process", "save"]) as batch:
            for url in urls:
                Queue("dl").put(url, batch=batch, stage="fetch")
            Queue("up").put("report", batch=batch, stage="save")
        batch.wait()

    Batch(name=None, stages=(), on_failure="break", client=None): with stages it
    is made; with a name alone it is one that is there. As a context manager it is
    sealed at the end, or cancelled if there was an exception. A job that runs may
    put more into its batch: put(..., inside=job, stage=...). A dead job breaks
    the batch, until it is retried or cancelled; with on_failure="continue" it
    counts as done. It stays, with its events, until delete().
    """

    def __init__(self, name: Optional[str] = None,
                 stages: Sequence[str] = (), on_failure: str = "break", *,
                 client: Optional[Client] = None) -> None:
        super().__init__(name, stages, on_failure, client)
        self.client.run(self._create_steps())

    def seal(self) -> None:
        """Nothing more comes from outside: stages may pass now."""
        self.client.run(self._seal_steps())

    def wait(self, stage: Optional[str] = None,
             timeout: Optional[float] = None) -> bool:
        """Waits until the batch is done, or up to `stage`; False if `timeout`
        seconds passed first. Broken if a job is dead or it was cancelled."""
        return self.client.run(self._wait_steps(stage, timeout))

    def show(self) -> Dict[str, Any]:
        """state (unsealed, running, broken, done, cancelled), and of each stage
        whether it passed and its jobs by state."""
        return self.client.run(self._show_steps())

    def cancel(self) -> int:
        """Removes every job that is not done; how many."""
        return self.client.run(self._cancel_steps())

    def retry(self) -> int:
        """Makes its dead jobs ready again; how many."""
        return self.client.run(self._retry_steps())

    def delete(self) -> None:
        """Forgets it, once nothing of it is unfinished or dead; else Conflict:
        cancel() it, or if it is done all the same, each of its dead jobs."""
        self.client.run(self._delete_steps())

    def event(self, stage: str) -> Event:
        """The Event that is set when that stage has passed."""
        return Event(f"batch/{self.name}/{stage}",
                     client=None if self._is_default else self.client)

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, kind: Any, error: Optional[BaseException],
                 trace: Any) -> None:
        self.client.run(self._leave_steps(error))
