"""The primitives of test._test_multiprocessing, across real processes.

The suite is made for classes of multiprocessing, and runs on those of
syncd.multiprocessing; where threading's contract is no other, on syncd's own as
well. Children are forked, with `spawn` given they are started anew.
"""
import multiprocessing
import sys
import unittest
import unittest.mock
from test import _test_multiprocessing as theirs

import suite
import syncd
import syncd.multiprocessing as ours

suite.use_daemon(globals())

BY_NAME = ("Lock", "RLock", "Semaphore", "BoundedSemaphore", "Condition",
           "Event", "Barrier", "Queue", "JoinableQueue", "SimpleQueue")


def instead(case):
    """A class decorator: what the suite makes by multiprocessing.Queue, ... is
    ours too."""
    return unittest.mock.patch.multiple(
        multiprocessing, **{name: getattr(ours, name) for name in BY_NAME})(
            case)


class Ours(theirs.ProcessesMixin):
    """What the suite makes its objects by."""

    Lock = staticmethod(ours.Lock)
    RLock = staticmethod(ours.RLock)
    Semaphore = staticmethod(ours.Semaphore)
    BoundedSemaphore = staticmethod(ours.BoundedSemaphore)
    Condition = staticmethod(ours.Condition)
    Event = staticmethod(ours.Event)
    Barrier = staticmethod(ours.Barrier)
    Queue = staticmethod(ours.Queue)
    JoinableQueue = staticmethod(ours.JoinableQueue)


class TestLock(theirs._TestLock, Ours, unittest.TestCase):
    """Of Lock and RLock."""


class TestSemaphore(theirs._TestSemaphore, Ours, unittest.TestCase):
    """Of Semaphore and BoundedSemaphore."""


class TestCondition(theirs._TestCondition, Ours, unittest.TestCase):
    """Of Condition."""

    def check_invariant(self, cond):
        """Theirs looks at the three semaphores inside of theirs."""
        self.assertEqual(cond._waiting, 0)


class TestEvent(theirs._TestEvent, Ours, unittest.TestCase):
    """Of Event."""


class TestBarrier(theirs._TestBarrier, Ours, unittest.TestCase):
    """Of Barrier; a thousand passes in a row are among it."""


@suite.without({
    "test_queue_feeder_donot_stop_onexc":
        "the thread that feeds multiprocessing's pipe",
    "test_queue_feeder_on_queue_feeder_error":
        "the thread that feeds multiprocessing's pipe",
})
@instead
class TestQueue(theirs._TestQueue, Ours, unittest.TestCase):
    """Of Queue, and of JoinableQueue where it asks for that."""


class TestJoinableQueue(TestQueue):
    """The same, where nothing is finished by get()."""

    Queue = staticmethod(ours.JoinableQueue)


@suite.without({
    "test_closed": "the two ends of multiprocessing's pipe",
})
@instead
class TestSimpleQueue(theirs.TestSimpleQueue):
    """Of SimpleQueue."""


class TestOwnLock(TestLock):
    """Of syncd's own, which are threading's."""

    Lock = staticmethod(syncd.Lock)
    RLock = staticmethod(syncd.RLock)


class TestOwnCondition(TestCondition):
    """Of syncd's own."""

    Condition = staticmethod(syncd.Condition)
    Lock = staticmethod(syncd.Lock)
    RLock = staticmethod(syncd.RLock)
    Semaphore = staticmethod(syncd.Semaphore)


if __name__ == "__main__":
    if "spawn" in sys.argv:
        sys.argv.remove("spawn")
        multiprocessing.set_start_method("spawn", force=True)
    suite.main()
