"""test.lock_tests, the suite of threading's primitives, over a daemon."""
from test import lock_tests

import suite
import syncd

suite.use_daemon(globals())


class LockTests(lock_tests.LockTests):
    """Of threading.Lock."""

    locktype = staticmethod(syncd.Lock)


class RLockTests(lock_tests.RLockTests):
    """Of threading.RLock."""

    locktype = staticmethod(syncd.RLock)


@suite.without({
    "test_at_fork_reinit": "looks at the condition inside a threading.Event",
})
class EventTests(lock_tests.EventTests):
    """Of threading.Event."""

    eventtype = staticmethod(syncd.Event)


class ConditionTests(lock_tests.ConditionTests):
    """Of threading.Condition."""

    condtype = staticmethod(syncd.Condition)


class SemaphoreTests(lock_tests.SemaphoreTests):
    """Of threading.Semaphore."""

    semtype = staticmethod(syncd.Semaphore)


class BoundedSemaphoreTests(lock_tests.BoundedSemaphoreTests):
    """Of threading.BoundedSemaphore."""

    semtype = staticmethod(syncd.BoundedSemaphore)


class BarrierTests(lock_tests.BarrierTests):
    """Of threading.Barrier."""

    defaultTimeout = 8.0  # 2 s is little where much else runs

    barriertype = staticmethod(syncd.Barrier)


if __name__ == "__main__":
    suite.main()
