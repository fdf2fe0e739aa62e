"""Clients: one session of one process with the daemon.

Nobody needs to make one: `Lock("backup")` uses the process's own, which is
opened at its first use. It is here to say another socket, grace or name, and to
call any method of the protocol.
"""
from __future__ import annotations

import atexit
import itertools
import os
import sys
import threading
import weakref
from collections import Counter
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

from .call import Call, Request, Steps, T, checked_timeout
from .session import Keep, Options, Session

GRACE_SECONDS = 30.0


def _program() -> str:
    name = os.path.basename(sys.argv[0]) if getattr(sys, "argv", None) else ""
    return name.encode("utf-8", "replace")[:200].decode("utf-8", "ignore") or \
        "python"


class Hold:
    """A lock that this process has taken: by which owner, under which token,
    with how many levels."""

    __slots__ = ("owner", "token", "count")

    def __init__(self, owner: str, token: int, count: int) -> None:
        self.owner = owner
        self.token = token
        self.count = count


class Taken:
    """What one process has got from one queue by get() and not finished."""

    def __init__(self) -> None:
        self.jobs: List[Tuple[int, int, str]] = []  # id, token, owner
        self.lost = 0            # went back when a session was lost
        self.task_done = False   # was it ever called?
        self.warned = False

    def add(self, job: int, token: int, owner: str) -> None:
        """One more."""
        self.jobs.append((job, token, owner))

    def pop(self, owner: str) -> Optional[Tuple[int, int, str]]:
        """The oldest of that owner, else the oldest of all."""
        for at, entry in enumerate(self.jobs):
            if entry[2] == owner:
                return self.jobs.pop(at)
        return self.jobs.pop(0) if self.jobs else None


class Client:
    """A session with the daemon, opened at its first use.

    socket           where the daemon listens. Unless given: SYNCD_SOCKET, the
                     user's own daemon, the service.
    name             what this program is called in `syncctl lock`, ...; its
                     file name unless given.
    grace            for so many seconds what this process holds outlives a
                     restart of the daemon. 0: it is lost at once; then taking a
                     lock costs no write to the disk.
    connect_timeout  how long to try to reach a daemon that is not there at the
                     first use. None: 5 s if it seems to have crashed just now,
                     else not at all.

    Every class takes `client=`; without it, it uses the process's own, whose
    options syncd.configure() sets. A client may be used by any number of
    threads. After a fork the child has a session of its own, which holds
    nothing. Closing ends the session: what it holds is free.

        with syncd.Client(grace=0) as client:
            with syncd.Lock("backup", client=client):
                ...
    """

    def __init__(self, socket: Optional[str] = None, *,
                 name: Optional[str] = None, grace: float = GRACE_SECONDS,
                 connect_timeout: Optional[float] = None) -> None:
        if not 0 <= grace <= 86400:
            raise ValueError("a grace is from 0 to 86400 seconds")
        self._options = Options(socket, name or _program(), float(grace),
                                connect_timeout)
        self._session: Optional[Session] = None
        self._opening = threading.RLock()
        self._closed = False
        self._forget()
        _clients.add(self)

    def _forget(self) -> None:
        """A session that is new holds nothing."""
        self.holds: Dict[str, Hold] = {}
        self.permits: Dict[str, List[int]] = {}  # tokens, by semaphore
        self.lost_locks: Set[Tuple[str, str]] = set()
        self.bounded: Counter[str] = Counter()  # permits held, by semaphore
        self.lost_bounded: Counter[str] = Counter()  # with their sessions
        self.taken: Dict[str, Taken] = {}
        self.cleanups: Dict[int, List[Request]] = {}  # of private things

    # For programs.

    def call(self, method: str, timeout: Optional[float] = None,
             **params: Any) -> Any:
        """Calls a method of the protocol and returns its result.

        The parameters are those of proto/PROTOCOL.md; `timeout` is sent only if
        it is not None. An error of the daemon is a ReplyError.

            client.call("queue.show", queue="mail")["counts"]["ready"]
        """
        return self.session().call(Request(method, params,
                                           checked_timeout(timeout)))

    def info(self) -> Dict[str, Any]:
        """Who the daemon is: name, version, protocol, pid, uptime, limits,
        store."""
        result: Dict[str, Any] = self.call("server.info")
        return result

    def stats(self) -> Dict[str, Any]:
        """Its counters, gauges and histograms."""
        result: Dict[str, Any] = self.call("server.stats")
        return result

    @property
    def socket(self) -> Optional[str]:
        """The path it is connected to; None before the first use."""
        return None if self._session is None else self._session.path

    @property
    def session_number(self) -> int:
        """The number of the session, as in `syncctl lock --json`; 0: none."""
        return 0 if self._session is None else self._session.number

    def close(self) -> None:
        """Ends the session; what it held is free when this returns. Waiting
        calls of other threads get ClosedError, and so does whoever uses this
        client later."""
        self._closed = True
        self.end()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"session={self.session_number}"
        return (f"<syncd.Client {self.socket or self._options.socket or ''!r} "
                f"{state}>")

    # For the other modules.

    def session(self) -> Session:
        """The session, which is opened now if there is none."""
        session = self._session
        if session is not None:
            return session
        if _exiting and threading.current_thread() is not \
                threading.main_thread():
            _wait_for_the_end()
        with self._opening:
            if self._session is None:
                if self._closed:
                    from .errors import ClosedError
                    raise ClosedError("this client was closed")
                self._session = Session(self._options, self._on_lost)
                _end_with_multiprocessing()
            return self._session

    def run(self, steps: Steps[T],
            watch: Optional[Callable[[Call], None]] = None) -> T:
        """Carries out an operation, blocking this thread."""
        session = self.session()
        try:
            request = next(steps)
            while True:
                try:
                    result = session.call(request, watch)
                except BaseException as error:
                    request = steps.throw(error)
                else:
                    request = steps.send(result)
        except StopIteration as end:
            value: T = end.value
            return value

    def post(self, request: Request) -> None:
        """Asks for what nobody waits for, if there is a session at all; also
        from a finalizer."""
        session = self._session
        if session is not None:
            session.post(request)

    def keep(self, key: Any, keep: Optional[Keep]) -> None:
        """A request again and again; see Session.keep."""
        if self._session is not None or keep is not None:
            self.session().keep(key, keep)

    def taken_of(self, queue: str) -> Taken:
        """What get() has got from that queue."""
        return self.taken.setdefault(queue, Taken())

    def end(self, orderly: Optional[bool] = None) -> None:
        """Ends the session; with `orderly` because the process ends. In an
        orderly end what get() has got is used up, in a program that never calls
        task_done(); otherwise it goes back."""
        session, self._session = self._session, None
        if session is None:
            return
        if orderly is not None:
            session.be_quiet()
        if orderly:
            for queue, taken in list(self.taken.items()):
                if taken.jobs and not taken.task_done:
                    session.post(Request("queue.done", {
                        "jobs": [{"id": job, "token": token}
                                 for job, token, _ in taken.jobs]}))
        if orderly is None:  # else the daemon does it, with the last process
            for requests in list(self.cleanups.values()):
                for request in requests:
                    session.post(request)
        session.close()
        self._forget()

    def _on_lost(self) -> None:
        """By the keeper: what the session held is lost."""
        holds, self.holds, self.permits = self.holds, {}, {}
        self.lost_locks |= {(name, hold.owner) for name, hold in holds.items()}
        self.lost_bounded += self.bounded
        self.bounded = Counter()
        for taken in list(self.taken.values()):
            taken.lost += len(taken.jobs)
            taken.jobs = []

    def after_fork_in_child(self) -> None:
        """The session is the parent's."""
        session, self._session = self._session, None
        self._opening = threading.RLock()
        if session is not None:
            session.abandon_in_child()
        self._forget()


_clients: "weakref.WeakSet[Client]" = weakref.WeakSet()
_default: Optional[Client] = None
_making = threading.RLock()
_exiting = False


def client() -> Client:
    """The process's own client, which everything uses that is not given
    another."""
    global _default
    if _default is None:
        with _making:
            if _default is None:
                _default = Client()
    return _default


def configure(socket: Optional[str] = None, *, name: Optional[str] = None,
              grace: float = GRACE_SECONDS,
              connect_timeout: Optional[float] = None) -> Client:
    """Sets the options of the process's own client (see Client), before
    anything is made that uses it, and returns it."""
    global _default
    if _default is not None and _default._session is not None:
        raise RuntimeError("syncd.configure() comes before the first use")
    _default = Client(socket, name=name, grace=grace,
                      connect_timeout=connect_timeout)
    return _default


# Owners: a process, told apart from every other by chance, inside whoever it
# works for (SYNCD_OWNER, as syncctl hands it down); and in it its threads.

_numbers = itertools.count(1)
_thread_local = threading.local()


def _new_process_owner() -> str:
    outer = os.environ.get("SYNCD_OWNER")
    own = f"py{os.getpid()}-{os.urandom(8).hex()}"
    return f"{outer}/{own}" if outer else own


_process = _new_process_owner()


def process_owner() -> str:
    """The owner that this process's threads are inside of."""
    return _process


def owner() -> str:
    """On whose behalf this thread takes locks. Given to a child process as
    SYNCD_OWNER, it may take re-entrant locks again that this thread holds."""
    number = getattr(_thread_local, "number", None)
    if number is None:
        number = _thread_local.number = next(_numbers)
    return f"{process_owner()}/{number}"


# The life of the process.

def _in_child() -> None:
    global _process, _making
    _process = _new_process_owner()
    _making = threading.RLock()
    for one in list(_clients):
        one.after_fork_in_child()


def _is_orderly() -> bool:
    """Does the process end without an uncaught exception?"""
    error = sys.exc_info()[1]
    if isinstance(error, SystemExit):
        error = None
    return error is None and getattr(sys, "last_type", None) is None


def _wait_for_the_end() -> None:
    """A daemon thread when the process ends: it ends with it."""
    never = threading.Lock()
    never.acquire()
    never.acquire()


def _at_exit() -> None:
    global _exiting
    _exiting = True
    end_all()


def end_all() -> None:
    """At the end of the process."""
    for one in list(_clients):
        one.end(orderly=_is_orderly())


def _end_with_multiprocessing() -> None:
    """Children of multiprocessing do not run what atexit knows."""
    process = sys.modules.get("multiprocessing.process")
    util = sys.modules.get("multiprocessing.util")
    if process is not None and util is not None and \
            process.parent_process() is not None:
        util.Finalize(None, end_all, exitpriority=0)


os.register_at_fork(after_in_child=_in_child)
atexit.register(_at_exit)
