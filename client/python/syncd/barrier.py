"""Barrier: threading's, for processes."""
from __future__ import annotations

from typing import Any, Callable, Dict, Optional, overload

from .call import Request, Steps, checked_timeout
from .client import Client
from .errors import BrokenBarrierError, SessionLost
from .names import Thing, leading_name


class BarrierSteps(Thing):
    """What Barrier and its asyncio sister do, as steps."""

    def __init__(self, name: Optional[str], parties: int,
                 action: Optional[Callable[[], Any]], timeout: Optional[float],
                 client: Optional[Client]) -> None:
        if parties < 1:
            raise ValueError("parties must be > 0")
        super().__init__(name, client)
        self._parties = parties
        self._action = action
        self._timeout = timeout
        self._cleanup(self._request("barrier.reset"))

    def _terms(self) -> Dict[str, Any]:
        return {"parties": self._parties, "action": self._action,
                "timeout": self._timeout}

    def _request(self, method: str, **params: Any) -> Request:
        return Request(method, {"barrier": self.name, **params})

    @property
    def parties(self) -> int:
        """How many it takes."""
        return self._parties

    def _wait_steps(self, timeout: Optional[float]) -> Steps[int]:
        """The index."""
        params: Dict[str, Any] = {"barrier": self.name,
                                  "parties": self._parties}
        if self._action is not None:
            params["action"] = True
        if timeout is None:
            timeout = self._timeout
        try:
            place = yield Request("barrier.wait", params,
                                  checked_timeout(timeout))
        except SessionLost as error:
            raise BrokenBarrierError(str(error)) from error
        if place.get("action"):
            yield from self._act(place["generation"])
        return int(place["index"])

    def _act(self, generation: int) -> Steps[None]:
        """The last to come acts for all, who wait meanwhile."""
        try:
            if self._action is not None:
                self._action()
        except BaseException:
            yield self._request("barrier.abort")
            raise
        yield self._request("barrier.pass", generation=generation)

    def _reset_steps(self) -> Steps[None]:
        """barrier.reset."""
        yield self._request("barrier.reset")

    def _abort_steps(self) -> Steps[None]:
        """barrier.abort."""
        yield self._request("barrier.abort")

    def _show_steps(self) -> Steps[Dict[str, Any]]:
        """barrier.show."""
        result: Dict[str, Any] = yield Request(
            "barrier.show", {"barrier": self.name}, repeatable=True)
        return result


class Barrier(BarrierSteps):
    """threading.Barrier, for processes.

        try:
            index = Barrier("phase 1", 3, timeout=5).wait()
        except BrokenBarrierError:
            ...

    Barrier(parties, action=None, timeout=None, *, name=None, client=None): a
    name may come first. All parties are let through together or none is. A party
    that times out or dies while it waits breaks it for all, and so does a
    restart of the daemon, until reset(). The last to come calls `action` before
    the others go on.
    """

    @overload
    def __init__(self, name: str, parties: int,
                 action: Optional[Callable[[], Any]] = None,
                 timeout: Optional[float] = None, *,
                 client: Optional[Client] = None) -> None: ...

    @overload
    def __init__(self, parties: int,
                 action: Optional[Callable[[], Any]] = None,
                 timeout: Optional[float] = None, *,
                 name: Optional[str] = None,
                 client: Optional[Client] = None) -> None: ...

    @leading_name
    def __init__(self, parties: int,
                 action: Optional[Callable[[], Any]] = None,
                 timeout: Optional[float] = None, *,
                 name: Optional[str] = None,
                 client: Optional[Client] = None) -> None:
        super().__init__(name, parties, action, timeout, client)

    def wait(self, timeout: Optional[float] = None) -> int:
        """Waits for the other parties: the order of arrival, from 0.
        BrokenBarrierError if it is or gets broken, as by a timeout."""
        return self.client.run(self._wait_steps(timeout))

    def reset(self) -> None:
        """Makes it whole and empty; whoever waits gets BrokenBarrierError."""
        self.client.run(self._reset_steps())

    def abort(self) -> None:
        """Breaks it, until it is reset."""
        self.client.run(self._abort_steps())

    def show(self) -> Dict[str, Any]:
        """parties, missing, broken, reason, generation, waiters, waiting."""
        return self.client.run(self._show_steps())

    @property
    def n_waiting(self) -> int:
        """How many wait."""
        return int(self.show()["waiters"])

    @property
    def broken(self) -> bool:
        """Is it broken?"""
        return bool(self.show()["broken"])

    def __repr__(self) -> str:
        try:
            shown = self.show()
        except Exception:  # a repr must not fail for an absent daemon
            state = "unreachable"
        else:
            state = ("broken" if shown["broken"] else
                     f"waiters={shown['waiters']}/{self.parties}")
        return f"<syncd.Barrier at {id(self):#x}{self._label()}: {state}>"
