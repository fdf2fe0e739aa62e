"""A worker's child processes."""
from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from typing import TYPE_CHECKING, List

from .work import STOPS, Signals

if TYPE_CHECKING:
    from .work import Worker

# A process that died is replaced, but not more often than this, seconds.
REPLACE_SECONDS = 1.0

# "Give back what runs": not a second TERM, which could come as one with the
# first.
GIVE_BACK = signal.SIGUSR2


def _process(worker: Worker) -> None:
    """What a child does. A terminal's INT goes to all of its group: the parent
    alone decides what it means, and tells by TERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def watch() -> None:
        assert parent is not None
        multiprocessing.connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
    threading.Thread(target=watch, daemon=True).start()
    worker._run_threads((signal.SIGTERM,), (GIVE_BACK,))


class Processes:
    """Child processes that each do jobs; one that dies is replaced, and what it
    was doing is another's."""

    def __init__(self, worker: Worker, count: int) -> None:
        self._worker = worker
        self._count = count
        self._stopping = False
        self._tick = threading.Event()
        self._children: List[multiprocessing.Process] = []

    def _tell(self, number: int = signal.SIGTERM) -> None:
        self._stopping = True
        for child in self._children:
            if child.is_alive() and child.pid is not None:
                os.kill(child.pid, number)

    def run(self) -> None:
        """Until all have ended in order."""
        def second(_: int) -> None:
            self._tell(GIVE_BACK)
        with Signals(STOPS, (), self._tell, second):
            for _ in range(self._count):
                self._add()
            while self._children:
                self._replace()

    def _add(self) -> None:
        # A signal waits until the child has its own handlers, and we the child.
        numbers = {*STOPS, GIVE_BACK}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
        try:
            child = multiprocessing.Process(target=_process,
                                            args=(self._worker,))
            child.start()
            self._children.append(child)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _replace(self) -> None:
        multiprocessing.connection.wait(
            [child.sentinel for child in self._children])
        died = False
        for child in list(self._children):
            if not child.is_alive():
                child.join()
                self._children.remove(child)
                if child.exitcode != 0 and not self._stopping:
                    died = True
                    self._add()
        if died:
            self._tick.wait(REPLACE_SECONDS)
