"""The primitives of test._test_multiprocessing, across real processes.

The suite is made for classes of multiprocessing; where these differ from
threading's, which are ours, the test is left out and says so. Children are
forked, with `spawn` given they are started anew.
"""
import functools
import multiprocessing
import sys
import unittest
import unittest.mock
from test import _test_multiprocessing as theirs

import suite
import syncd

suite.use_daemon(globals())


class Ours(theirs.ProcessesMixin):
    """What the suite makes its objects by."""

    TYPE = "syncd"
    Lock = staticmethod(syncd.Lock)
    RLock = staticmethod(syncd.RLock)
    Semaphore = staticmethod(syncd.Semaphore)
    BoundedSemaphore = staticmethod(syncd.BoundedSemaphore)
    Condition = staticmethod(syncd.Condition)
    Event = staticmethod(syncd.Event)
    Barrier = staticmethod(syncd.Barrier)
    Queue = staticmethod(syncd.Queue)
    JoinableQueue = staticmethod(syncd.Queue)


class TestLock(theirs._TestLock, Ours, unittest.TestCase):
    """Of Lock and RLock."""


@suite.without({
    "test_timeout": "gives a timeout along with block=False, which threading "
                    "refuses and so do we",
})
class TestSemaphore(theirs._TestSemaphore, Ours, unittest.TestCase):
    """Of Semaphore and BoundedSemaphore."""


class TestCondition(theirs._TestCondition, Ours, unittest.TestCase):
    """Of Condition."""


class TestEvent(theirs._TestEvent, Ours, unittest.TestCase):
    """Of Event."""


class TestBarrier(theirs._TestBarrier, Ours, unittest.TestCase):
    """Of Barrier; a thousand passes in a row are among it."""


class ClosingQueue(syncd.Queue):
    """What the suite makes by multiprocessing.Queue, and closes."""

    def close(self):
        """Nothing is to be done."""


@suite.without_any(
    "test_closed_queue",
    "Queue.close is multiprocessing's alone; ours is shutdown, as queue's")
@suite.without({
    "test_queue_feeder_donot_stop_onexc":
        "the thread that feeds multiprocessing's pipe",
    "test_queue_feeder_on_queue_feeder_error":
        "the thread that feeds multiprocessing's pipe",
})
@unittest.mock.patch.object(multiprocessing, "Queue", ClosingQueue)
class TestQueue(theirs._TestQueue, Ours, unittest.TestCase):
    """Of Queue."""


class TestQueueTaken(TestQueue):
    """The same with items that are finished by get()."""

    Queue = staticmethod(functools.partial(syncd.Queue, take=True))


if __name__ == "__main__":
    if "spawn" in sys.argv:
        sys.argv.remove("spawn")
        multiprocessing.set_start_method("spawn", force=True)
    suite.main()
