"""A session: one connection at a time, and the thread that keeps it.

The keeper owns everything: it alone connects, sends, reads and reconnects.
Whoever asks for something leaves it in the inbox and sleeps. So neither a
KeyboardInterrupt nor a signal handler nor a finalizer can come between two
halves of a line, and a restart of the daemon is noticed while the program does
something else for a minute.

    CONNECTING --- opened or resumed ---> UP
        |  ^                              |
        |  +---- connection lost ---------+
        | grace over, or nobody was there
        v
      IDLE --- a call ---> CONNECTING

  1 `_calls` are in the order of their ids, the order they were asked in.
  2 Each call ends once: with a result or with an error.
  3 What a lost session held is told to `on_lost`; a call that was under way
    then ends with SessionLost, unless it is repeatable.
"""
from __future__ import annotations

import _thread
import os
import random
import select
import signal
import socket
import threading
import time
import traceback
from collections import deque
from typing import (Any, Callable, Deque, Dict, List, NamedTuple, Optional,
                    Tuple)

from .call import Call, Request
from .errors import (Cancelled, ClosedError, ConnectError, Error,
                     ProtocolError, SessionLost)
from .place import Place, Unreached, places, reach
from .reader import Hello, Reader, WrongPeer, hello_lines
from .scope import scopes_kept

# Pauses between attempts to connect, seconds; each is jittered down to half.
PAUSE_FIRST = 0.01
PAUSE_MAX = 1.0

# How long a daemon that accepts may take to say hello.
HELLO_SECONDS = 30.0

# To reach a daemon the first time, unless told: so long where a socket is left
# at which nobody listens, as after a crash; where there is none, not at all.
STALE_PATIENCE = 5.0

# How long close waits for the daemon to have seen it.
FAREWELL_SECONDS = 1.0

_SEND_FLAGS = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL


class Options(NamedTuple):
    """See Client."""

    socket: Optional[str]
    name: str
    grace: float
    connect_timeout: Optional[float]


class Keep(NamedTuple):
    """A request made again every `every` seconds until it is dropped."""

    request: Request
    every: float


# A fork in another thread while a socket is made would leave it open in the
# child, and with it the session.
_opening = threading.Lock()
os.register_at_fork(before=_opening.acquire,
                    after_in_parent=_opening.release,
                    after_in_child=_opening.release)


class Session:
    """See above. `on_lost` is called by the keeper, and must not block."""

    def __init__(self, options: Options, on_lost: Callable[[], None]) -> None:
        self.options = options
        self._scopes = scopes_kept()
        self.path: Optional[str] = None  # where it is connected to
        self.number = 0                  # 0: none
        self._on_lost = on_lost
        self._places = places(options.socket)
        self._inbox: Deque[Tuple[Callable[[Any], None], Any]] = deque()
        self._sleeping = False
        with _opening:
            self._wake_in, self._wake_out = socket.socketpair()
        self._gone = False  # the keeper is: nobody reads the inbox any more
        # The keeper's alone.
        self._state: Callable[[], None] = self._idle
        self._calls: Dict[int, Call] = {}
        self._next_id = 1
        self._socket: Optional[socket.socket] = None
        self._out = bytearray()
        self._reader = Reader()
        self._secret = ""
        self._message_max = 4 << 20
        self._probing = False
        self._keeps: Dict[Any, Tuple[Keep, float]] = {}
        self._give_up_at = 0.0
        self._lost_at: Optional[float] = None
        self._patience_given = False
        self._pause = PAUSE_FIRST
        self._closing = False
        self._quiet = False
        self._closed = _thread.allocate_lock()
        self._closed.acquire()
        thread = threading.Thread(target=self._main, name="syncd-keeper",
                                  daemon=True)
        thread.start()
        self._keeper = thread.ident

    # For whoever asks: any thread.

    def call(self, request: Request,
             watch: Optional[Callable[[Call], None]] = None) -> Any:
        """Asks, and waits for the answer. `watch` is told the call, so that
        somebody else may cancel it."""
        answered = _thread.allocate_lock()
        answered.acquire()
        call = Call(request, answered.release)
        try:
            self.submit(call)
            if watch is not None:
                watch(call)
            answered.acquire()
        except BaseException:
            self.abandon(call)
            raise
        return call.outcome()

    def submit(self, call: Call) -> None:
        """Asks; call.notify() tells that the answer is there."""
        if _thread.get_ident() == self._keeper:
            raise RuntimeError("a finalizer cannot wait for the daemon")
        if self._closing and not self._quiet:
            raise ClosedError("this client was closed")
        self._tell(self._take_call, call)

    def post(self, request: Request) -> None:
        """Asks, and does not wait. From anywhere, finalizers too."""
        if not self._closing:
            self._tell(self._take_call, Call(request))

    def abandon(self, call: Call) -> None:
        """Nobody waits any more: what it is granted is given back."""
        self._tell(self._take_abandoned, call)

    def cancel(self, call: Call) -> None:
        """Ends its wait: it is answered with what it was just granted, or with
        the error `cancelled`."""
        self._tell(self._take_cancelled, call)

    def keep(self, key: Any, keep: Optional[Keep]) -> None:
        """Makes a request again and again; None: no more."""
        self._tell(self._take_keep, (key, keep))

    def be_quiet(self) -> None:
        """From now on whoever waits is told no error, and goes on waiting: it is
        the process that ends."""
        self._quiet = True

    def close(self) -> None:
        """Ends the session; what it held is free when this returns, unless the
        daemon does not answer."""
        self._tell(self._take_close, None)
        if _thread.get_ident() != self._keeper:
            if self._closed.acquire(timeout=2 * FAREWELL_SECONDS):
                self._closed.release()

    def abandon_in_child(self) -> None:
        """After a fork: gives back what the child has of it; the parent's
        session goes on."""
        self._closing = True
        if self._socket is not None:
            self._socket.close()
        self._wake_in.close()
        self._wake_out.close()

    def _tell(self, take: Callable[[Any], None], what: Any) -> None:
        self._inbox.append((take, what))
        if self._gone:
            self._read_inbox()
        elif self._sleeping:
            try:
                self._wake_out.send(b"w", _SEND_FLAGS)
            except OSError:
                pass  # it has been told often enough, or is gone

    # The inbox, by the keeper.

    def _read_inbox(self) -> None:
        while True:
            try:
                take, what = self._inbox.popleft()
            except IndexError:
                return
            take(what)

    def _take_call(self, call: Call) -> None:
        if self._closing:
            self._end(call, ClosedError("this client was closed"))
            return
        call.id = self._next_id
        self._next_id += 1
        call.began = time.monotonic()
        line = call.line(call.began)
        if len(line) - 1 > self._message_max:
            self._end(call, ValueError(
                f"the request has {len(line) - 1} bytes, and the daemon takes "
                f"at most {self._message_max}: put fewer or smaller items"))
            return
        self._calls[call.id] = call
        if self._state == self._up:
            call.sent += 1
            self._out += line
        elif self._state == self._idle:
            self._begin()

    def _take_abandoned(self, call: Call) -> None:
        call.abandoned = True
        if call.ended:
            self._undo(call)
        else:
            self._take_cancelled(call)

    def _take_cancelled(self, call: Call) -> None:
        if call.ended or call.cancelling:
            return
        if not call.sent:
            self._calls.pop(call.id, None)
            self._end(call, Cancelled({"message": "cancelled by this client",
                                       "data": {"name": "cancelled"}}))
            return
        call.cancelling = True
        if self._state == self._up:
            self._send_cancel(call)

    def _send_cancel(self, call: Call) -> None:
        self._take_call(Call(Request("session.cancel", {"request": call.id}),
                             ours=True))

    def _take_keep(self, what: Tuple[Any, Optional[Keep]]) -> None:
        key, keep = what
        self._keeps.pop(key, None)
        if keep is not None:
            self._keeps[key] = (keep, time.monotonic() + keep.every)

    def _take_close(self, _: None) -> None:
        self._closing = True

    # The keeper.

    def _main(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            while not self._closing:
                self._state()
            self._farewell()
        except BaseException:  # our own mistake: nobody may hang for it
            self._closing = True
            trouble = traceback.format_exc()
            for call in list(self._calls.values()):
                self._end(call, Error(f"syncd's own thread failed:\n{trouble}"))
        finally:
            self._hang_up()
            for call in list(self._calls.values()):
                self._end(call, ClosedError("this client was closed"))
            self._gone = True
            self._read_inbox()
            self._wake_in.close()
            self._wake_out.close()
            self._closed.release()

    def _idle(self) -> None:
        self._nap(None)
        self._read_inbox()

    def _nap(self, until: Optional[float], events: int = 0) -> int:
        """Sleeps until woken, until the socket has one of `events`, or until
        that time; which events it has."""
        poll = select.poll()
        poll.register(self._wake_in, select.POLLIN)
        if self._socket is not None and events:
            poll.register(self._socket, events)
        self._sleeping = True
        if self._inbox:
            until = 0.0
        wait = (None if until is None
                else max(until - time.monotonic(), 0.0) * 1000)
        found = 0
        for fd, event in poll.poll(wait):
            if fd == self._wake_in.fileno():
                self._wake_in.recv(4096)
            else:
                found = event
        self._sleeping = False
        return found

    # Connecting.

    def _begin(self) -> None:
        now = time.monotonic()
        patience = self.options.connect_timeout
        if self.number:
            patience = self.options.grace
        self._give_up_at = now + (patience or 0.0)
        self._patience_given = patience is not None
        self._pause = PAUSE_FIRST
        self._state = self._connecting

    def _connecting(self) -> None:
        try:
            self._open_socket()
            resumed = self._say_hello()
        except Unreached as why:
            self._hang_up()
            self._not_reached(why)
        except WrongPeer as why:
            self._hang_up()
            self._give_up(why.error)
        else:
            if not self._closing:
                self._come_up(resumed)

    def _open_socket(self) -> None:
        with _opening:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        tried = self._places if self.path is None else [Place(self.path)]
        self.path = reach(tried, self._socket)
        self._out.clear()
        self._reader = Reader()

    def _say_hello(self) -> bool:
        """Opens or resumes the session; was it resumed?"""
        hello = Hello(self._next_id, self.path or "")
        self._next_id += 2
        self._out += hello_lines(hello.open_id, self.options.name,
                                 self.options.grace, self.number, self._secret,
                                 self._scopes)
        until = time.monotonic() + HELLO_SECONDS
        while not hello.complete and not self._closing:
            if time.monotonic() > until:
                raise hello.again("does not answer")
            if not self._turn(until, hello.take):
                raise hello.again("closed the connection")
            self._read_inbox()
        had = self.number
        self.number, self._secret = hello.session, hello.secret
        self._message_max = hello.message_max
        if had and not hello.resumed:
            self._lose(SessionLost(
                f"the session is lost, and what it held is free: the daemon at "
                f"{self.path} does not know it any more"))
        return hello.resumed

    def _not_reached(self, why: Unreached) -> None:
        now = time.monotonic()
        if not self._patience_given and why.stale:
            self._give_up_at = now + STALE_PATIENCE
            self._patience_given = True
        if not why.hope or now >= self._give_up_at:
            self._give_up(why.error)
            return
        until = min(now + self._pause * random.uniform(0.5, 1.0),
                    max(self._give_up_at, now))
        self._pause = min(2 * self._pause, PAUSE_MAX)
        while time.monotonic() < until and not self._closing:
            self._nap(until)
            self._read_inbox()

    def _give_up(self, why: Exception) -> None:
        if self.number:
            self.number = 0
            self._lose(SessionLost(
                f"the session is lost, and what it held is free: no daemon "
                f"took it up again within {self.options.grace:g} s ({why})"))
        for call in list(self._calls.values()):
            self._end(call, ConnectError(str(why))
                      if isinstance(why, ConnectError) else why)
        self._state = self._idle

    def _lose(self, why: SessionLost) -> None:
        """What was held is held no more. Who may be hurt by that is told."""
        self._keeps.clear()
        self._on_lost()
        for call in list(self._calls.values()):
            if call.sent and not call.request.repeatable:
                self._end(call, SessionLost(
                    f"{why}; {call.request.method} may have been carried out"))
            elif call.abandoned:
                self._end(call, why)
            else:
                call.sent = 0

    def _come_up(self, resumed: bool) -> None:
        self._state = self._up
        self._probing = False
        now = time.monotonic()
        for call in list(self._calls.values()):
            call.parked = None
            self._out += call.line(now)
            call.sent += 1
            if call.cancelling or call.abandoned:
                call.cancelling = True
                self._send_cancel(call)

    # Up.

    def _up(self) -> None:
        until = min((due for _, due in self._keeps.values()), default=None)
        try:
            goes_on = self._turn(until, self._take_reply)
        except WrongPeer as why:
            self._hang_up()
            self._give_up(why.error)
            return
        self._read_inbox()
        if not goes_on:
            self._disconnected()
            return
        now = time.monotonic()
        for key, (keep, due) in list(self._keeps.items()):
            if due <= now:
                self._keeps[key] = (keep, now + keep.every)
                self._take_call(Call(keep.request, ours=True))

    def _disconnected(self) -> None:
        self._hang_up()
        for call in list(self._calls.values()):
            if call.ours:
                self._end(call, Error("the connection is over"))
        closed = f"the daemon at {self.path} closed the connection"
        if self.options.grace <= 0:
            self.number = 0
            self._lose(SessionLost(f"the session is lost, and what it held is "
                                   f"free: {closed}"))
        if self.options.grace > 0 or self._calls:
            self._begin()
            self._not_reached(Unreached(ConnectError(closed), hope=True,
                                        stale=True))
        else:
            self._state = self._idle

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _turn(self, until: Optional[float],
              take: Callable[[Dict[str, Any]], None]) -> bool:
        """Sends and reads what there is, waiting for it if need be. False: the
        connection is over."""
        self._send()
        events = select.POLLIN | (select.POLLOUT if self._out else 0)
        found = self._nap(until, events)
        if not found & ~select.POLLOUT:
            return True
        assert self._socket is not None
        try:
            data = self._socket.recv(1 << 18)
        except BlockingIOError:
            return True
        except OSError:
            return False
        for message in self._reader.feed(data, self.path or ""):
            take(message)
        return bool(data)

    def _send(self) -> None:
        """What the socket takes. What it cannot send any more is told by the
        next read, when all that came in has been read."""
        assert self._socket is not None
        while self._out:
            try:
                with memoryview(self._out) as view:
                    sent = self._socket.send(view[:1 << 18], _SEND_FLAGS)
            except BlockingIOError:
                return
            except OSError:
                self._out.clear()
                return
            del self._out[:sent]

    # Answers.

    def _take_reply(self, message: Dict[str, Any]) -> None:
        call = self._calls.get(message.get("id") or 0)
        if call is None or not call.sent:
            raise WrongPeer(ProtocolError(
                f"the daemon at {self.path} answered what was not asked: "
                f"{str(message)[:200]}"))
        error = self._reader.error_of(message)
        if error is not None and error.name == "unavailable":
            self._take_unavailable(call, error)
            return
        if error is not None:
            error.resent = call.sent > 1
        elif call.request.method == "server.info" and call.ours:
            self._unpark(call.id)
        self._end(call, error, message.get("result"))

    def _take_unavailable(self, call: Call, error: Error) -> None:
        """Said by a daemon that shuts down, and then the call is for the next
        one; and by one whose disk is full, and then it is for the caller. Which
        it is tells a question that needs no disk: only the first refuses that
        too, and then it hangs up."""
        if call.ours:
            self._end(call, error)
            return
        call.parked = error
        if not self._probing:
            self._probing = True
            self._take_call(Call(Request("server.info", {}), ours=True))

    def _unpark(self, probe: int) -> None:
        self._probing = False
        for call in list(self._calls.values()):
            if call.parked is not None and call.id < probe:
                self._end(call, call.parked)
        if any(call.parked for call in self._calls.values()):
            self._probing = True
            self._take_call(Call(Request("server.info", {}), ours=True))

    def _end(self, call: Call, error: Optional[Exception],
             result: Any = None) -> None:
        self._calls.pop(call.id, None)
        call.error, call.result, call.ended = error, result, True
        if call.abandoned:
            self._undo(call)
        elif call.notify is not None and not (self._quiet and error):
            call.notify()

    def _undo(self, call: Call) -> None:
        if call.error is None and call.request.undo is not None:
            for request in call.request.undo(call.result):
                self._take_call(Call(request))

    # The end.

    def _farewell(self) -> None:
        """Sends what is left, says that nothing more comes, and waits until the
        daemon has seen it, so that what was held is free after that."""
        self._read_inbox()
        if self._socket is None or self._state != self._up:
            return
        until = time.monotonic() + FAREWELL_SECONDS
        while self._out and time.monotonic() < until:
            if not self._turn(until, self._ignore):
                return
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            return
        while time.monotonic() < until:
            if not self._turn(until, self._ignore):
                return

    @staticmethod
    def _ignore(message: Dict[str, Any]) -> None:
        del message


def pending(session: Session) -> List[str]:
    """The methods asked and not answered yet, for tests and for a look."""
    return [call.request.method for call in list(session._calls.values())]
