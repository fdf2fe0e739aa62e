"""Event: threading's, for processes."""
from __future__ import annotations

from typing import Any, Dict, Optional

from .call import Request, Steps, checked_timeout
from .client import Client
from .names import Thing


class EventSteps(Thing):
    """What Event and its asyncio sister do, as steps."""

    def __init__(self, name: Optional[str], client: Optional[Client]) -> None:
        super().__init__(name, client)
        self._cleanup(self._request("event.clear"))

    def _request(self, method: str, timeout: Optional[float] = None
                 ) -> Request:
        return Request(method, {"event": self.name}, timeout, repeatable=True)

    def _set_steps(self) -> Steps[None]:
        """event.set."""
        yield self._request("event.set")

    def _clear_steps(self) -> Steps[None]:
        """event.clear."""
        yield self._request("event.clear")

    def _wait_steps(self, timeout: Optional[float]) -> Steps[bool]:
        """event.wait."""
        result = yield self._request("event.wait", timeout)
        return bool(result["set"])

    def _is_set_steps(self) -> Steps[bool]:
        """event.show."""
        result = yield from self._show_steps()
        return bool(result["set"])

    def _show_steps(self) -> Steps[Dict[str, Any]]:
        """event.show."""
        result: Dict[str, Any] = yield self._request("event.show")
        return result


class Event(EventSteps):
    """threading.Event, for processes; durable: it is still set after a restart
    of the daemon.

        Event("fetched").set()              # in one program
        Event("fetched").wait(timeout=60)   # in another

    Event(name=None, *, client=None). Jobs can wait for it too: put(after=...).
    """

    def __init__(self, name: Optional[str] = None, *,
                 client: Optional[Client] = None) -> None:
        super().__init__(name, client)

    def is_set(self) -> bool:
        """Is it set?"""
        return self.client.run(self._is_set_steps())

    isSet = is_set

    def set(self) -> None:
        """Sets it, and lets everybody through who waits, also if it is cleared
        straight after."""
        self.client.run(self._set_steps())

    def clear(self) -> None:
        """Whoever comes from now on waits."""
        self.client.run(self._clear_steps())

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Waits until it is set; False if `timeout` seconds passed first."""
        return self.client.run(self._wait_steps(checked_timeout(timeout)))

    def _state(self) -> str:
        try:
            return "set" if self.is_set() else "unset"
        except Exception:  # a repr must not fail for an absent daemon
            return "unreachable"

    def __repr__(self) -> str:
        return f"<syncd.Event at {id(self):#x}{self._label()}: {self._state()}>"

    def show(self) -> Dict[str, Any]:
        """set, waiters, waiting."""
        return self.client.run(self._show_steps())
