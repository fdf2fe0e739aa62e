"""test.test_queue, the suite of the module queue, over a daemon."""
import sys
import types
import unittest
from test import test_queue

import suite
import syncd

suite.use_daemon(globals())

queue = types.SimpleNamespace(
    Queue=syncd.Queue, LifoQueue=syncd.LifoQueue,
    PriorityQueue=syncd.PriorityQueue, SimpleQueue=syncd.SimpleQueue,
    Empty=syncd.Empty, Full=syncd.Full,
    ShutDown=syncd.ShutDown)

# Python 3.13's: get() ends when nothing is left, even if others still have items
# unfinished. Ours waits for those, which come back if their process dies.
not_as_threads = suite.without_any(
    "test_shutdown", "get() waits for items that may come back")


@not_as_threads
class QueueTest(test_queue.QueueTest, unittest.TestCase):
    """Of queue.Queue."""

    queue = queue


@not_as_threads
class LifoQueueTest(test_queue.LifoQueueTest, unittest.TestCase):
    """Of queue.LifoQueue."""

    queue = queue


@not_as_threads
class PriorityQueueTest(test_queue.PriorityQueueTest, unittest.TestCase):
    """Of queue.PriorityQueue."""

    queue = queue


class Importable(syncd.SimpleQueue):
    """The suite puts items of a class that it defines inside a function, which
    no pickle can name: here it becomes one of its module."""

    def put(self, item, *args, **options):
        """Puts it, when its class can be found."""
        kind = type(item)
        if "<locals>" in kind.__qualname__:
            kind.__qualname__ = kind.__name__
            setattr(sys.modules[kind.__module__], kind.__name__, kind)
        return super().put(item, *args, **options)


class SimpleQueueTest(test_queue.BaseSimpleQueueTest, unittest.TestCase):
    """Of queue.SimpleQueue."""

    queue = queue

    def setUp(self):
        self.type2test = Importable
        super().setUp()


@suite.without({
    "test_failing_queue": "overrides Queue._put and Queue._get, the hooks "
                          "around the deque inside a queue.Queue",
})
class FailingQueueTest(test_queue.FailingQueueTest, unittest.TestCase):
    """Of queue.Queue's inside."""

    queue = queue


if __name__ == "__main__":
    suite.main()
