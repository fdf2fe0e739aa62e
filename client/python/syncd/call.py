"""A request, and a call: one request from its first byte to its answer.

Operations on the nouns are written once, as generators that yield requests and
are sent results (`Steps`); a thread runs them with Client.run, a coroutine with
Client.run_async.
"""
from __future__ import annotations

import json
from typing import (Any, Callable, Dict, Generator, List, Optional, TypeVar,
                    Union)

from .errors import Error

T = TypeVar("T")
Params = Dict[str, Any]

# The shortest wait that is one: 0 means not to wait.
MICROSECOND = 1e-6


class Request:
    """What to ask the daemon.

    timeout     seconds; None: as long as it takes
    repeatable  done twice it does no harm, so that it goes on in a new session
                if the one it was sent in is lost
    undo        of a result that grants something: the requests that give it
                back, if whoever asked has gone meanwhile
    """

    __slots__ = ("method", "params", "timeout", "repeatable", "undo")

    def __init__(self, method: str, params: Params,
                 timeout: Optional[float] = None, repeatable: bool = False,
                 undo: Optional[Callable[[Any], List["Request"]]] = None
                 ) -> None:
        self.method = method
        self.params = params
        self.timeout = timeout
        self.repeatable = repeatable
        self.undo = undo


Steps = Generator[Request, Any, T]


def text_of(value: Any) -> str:
    """Compact JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False,
                      separators=(",", ":"))


class Call:
    """Made by whoever asks, then the session's; `notify` is called by the
    session's thread, once, when `result` or `error` is there.

    1 The line is complete but for timeout and id before the session has it.
    2 Its id is never used again in the life of the session.
    3 What is left of the timeout is written anew for each connection.
    """

    __slots__ = ("request", "notify", "id", "result", "error", "ended",
                 "sent", "abandoned", "cancelling", "ours", "parked", "began",
                 "_head")

    def __init__(self, request: Request,
                 notify: Optional[Callable[[], None]] = None,
                 ours: bool = False) -> None:
        params = text_of(request.params)
        head = (f'{{"jsonrpc":"2.0","method":{text_of(request.method)},'
                f'"params":{params[:-1]}')
        try:
            self._head = head.encode()
        except UnicodeEncodeError:
            raise ValueError("text with half a surrogate pair in it is no "
                             "UTF-8, and cannot be sent") from None
        self.request = request
        self.notify = notify
        self.id = 0
        self.result: Any = None
        self.error: Optional[Exception] = None
        self.ended = False
        self.sent = 0           # on how many connections
        self.abandoned = False  # nobody waits for it any more
        self.cancelling = False
        self.ours = ours        # ends with its connection
        self.parked: Optional[Error] = None
        self.began = 0.0

    def line(self, now: float) -> bytes:
        """As it is to be sent now."""
        timeout = self.request.timeout
        tail = ""
        if timeout is not None:
            if self.sent and timeout > 0:
                timeout = max(timeout - (now - self.began), MICROSECOND)
            comma = "," if self.request.params else ""
            tail = f'{comma}"timeout":{timeout!r}'
        return self._head + f'{tail}}},"id":{self.id}}}\n'.encode()

    def outcome(self) -> Any:
        """The result, or raises the error."""
        if self.error is not None:
            raise self.error
        return self.result


def checked_timeout(timeout: Union[int, float, None]) -> Optional[float]:
    """Of the methods of threading that take a timeout: None is for ever, what
    is negative does not wait."""
    if timeout is None:
        return None
    seconds = float(timeout)
    if seconds != seconds:
        raise ValueError("a timeout is a number of seconds, or None")
    if seconds > 1e10:  # more than the protocol has: for ever
        return None
    return max(seconds, 0.0)
