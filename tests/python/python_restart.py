"""A daemon that is killed and comes back, under programs of the module syncd."""
import threading

import case
import syncd


class Restarting(case.Case):
    """What both have."""

    def restart(self):
        self.daemon_.kill()
        self.daemon_.start()


class RestartTests(Restarting):
    """kill -9 and a new start, in the middle of things."""

    def test_what_is_held_is_still_held(self):
        lock, reentrant = syncd.Lock("l"), syncd.RLock("r")
        semaphore = syncd.Semaphore("s", 2)
        queue = syncd.Queue("q")
        queue.put("x")
        with lock, reentrant, reentrant, semaphore:
            token = lock.token
            job = queue.get_job()
            queue.show()  # the lease is on disk now
            self.restart()
            self.assertTrue(lock.locked())
            self.assertEqual(lock.token, token)
            self.assertFalse(syncd.Lock("l", client=self.other())
                             .acquire(timeout=0.01))
            self.assertEqual(semaphore.get_value(), 1)
            job.done()
        self.assertFalse(lock.locked())
        self.assertEqual(semaphore.get_value(), 2)
        self.assertEqual(queue.unfinished_tasks, 0)

    def test_whoever_waits_goes_on_waiting(self):
        theirs = syncd.Lock("l", client=self.other())
        theirs.acquire()
        got = []
        waits = [
            lambda: syncd.Lock("l").acquire(),
            lambda: syncd.Semaphore("s", 0).acquire(),
            lambda: syncd.Event("e").wait(),
            lambda: syncd.Queue("q").get(),
        ]
        threads = [threading.Thread(target=lambda w=wait: got.append(w()))
                   for wait in waits]
        for thread in threads:
            thread.start()
        self.wait_until(
            lambda: len(syncd.session.pending(self.syncd.session())) == 4,
            "all wait")
        self.restart()
        self.assertEqual(got, [])
        theirs.release()
        syncd.Semaphore("s", 0).release()
        syncd.Event("e").set()
        syncd.Queue("q").put("x")
        for thread in threads:
            thread.join(case.harness.PATIENCE)
        self.assertEqual(len(got), 4)

    def test_a_condition_wakes_and_has_its_lock(self):
        condition = syncd.Condition("c")
        state = []
        woken = []

        def wait():
            with condition:
                condition.wait_for(lambda: state)
                woken.append(condition._lock.token)
        threads = [threading.Thread(target=wait) for _ in range(3)]
        for thread in threads:
            thread.start()
        self.wait_until(
            lambda: condition._waiting == 3 and
            syncd.session.pending(self.syncd.session()) ==
            ["condition.wait"] * 3, "all wait")
        self.restart()
        with condition:
            state.append(True)
            condition.notify_all()
        for thread in threads:
            thread.join(case.harness.PATIENCE)
        self.assertEqual(len(set(woken)), 3)
        self.assertFalse(condition._lock.locked())

    def test_a_barrier_in_use_is_broken(self):
        barrier = syncd.Barrier("b", 2)
        told = []

        def wait():
            try:
                barrier.wait()
            except syncd.BrokenBarrierError:
                told.append(True)
        thread = threading.Thread(target=wait)
        thread.start()
        self.wait_until(lambda: barrier.n_waiting == 1, "one waits")
        self.restart()
        thread.join(case.harness.PATIENCE)
        self.assertEqual(told, [True])
        self.assertTrue(barrier.broken)

    def test_gone_for_longer_than_the_grace(self):
        client = self.other(grace=0.2)
        lock = syncd.Lock("l", client=client)
        permit = syncd.Semaphore("s", 1, client=client)
        queue = syncd.Queue("q", client=client)
        queue.put("x")
        queue.get()
        told = []
        with self.assertRaises(syncd.LockLost):
            with lock, permit:
                self.daemon_.kill()
                try:
                    lock.show()  # waits for the daemon, in vain
                except syncd.ConnectError as error:
                    told.append(error)
                self.daemon_.start()
                self.assertIsNone(lock.token)
                self.assertTrue(syncd.Lock("l").acquire(timeout=60))
        self.assertEqual(len(told), 1)
        with self.assertWarns(RuntimeWarning):
            queue.task_done()
        self.assertEqual(syncd.Queue("q").get(timeout=60), "x")

    def test_without_a_grace_all_is_lost_and_goes_on(self):
        client = self.other(grace=0)
        lock = syncd.Lock("l", client=client)
        waits = []
        thread = threading.Thread(
            target=lambda: waits.append(syncd.Queue("q", client=client).get()))
        permits = syncd.BoundedSemaphore("s", 2, client=client)
        for _ in range(2):
            permits.acquire()
        permits.release()
        lock.acquire()
        thread.start()
        self.wait_until(
            lambda: syncd.session.pending(client.session()) == ["queue.get"],
            "it waits")
        self.restart()
        self.wait_until(lambda: lock.token is None, "it is noticed")
        self.assertRaises(syncd.LockLost, lock.release)
        self.assertRaises(syncd.LockLost, permits.release)
        self.assertRaises(ValueError, permits.release)
        syncd.Queue("q").put("x")
        thread.join(case.harness.PATIENCE)
        self.assertEqual(waits, ["x"])

    def test_permits_lost_one_after_the_other(self):
        client = self.other(grace=0)
        lock = syncd.Lock("l", client=client)
        permits = syncd.BoundedSemaphore("s", 2, client=client)
        for _ in range(2):
            lock.acquire()
            permits.acquire()
            self.restart()
            self.wait_until(lambda: lock.token is None, "it is noticed")
        for _ in range(2):
            self.assertRaises(syncd.LockLost, permits.release)
        self.assertRaises(ValueError, permits.release)
        syncd.Semaphore("u", client=client).release()
        self.assertEqual((client.bounded, client.lost_bounded), ({}, {}))

    def test_an_orderly_restart_loses_nothing_either(self):
        queue = syncd.Queue("q")
        stop = threading.Event()
        put = []

        def produce():
            while not stop.is_set():
                put.append(queue.put(len(put)).id)
        thread = threading.Thread(target=produce)
        thread.start()
        for _ in range(4):
            before = len(put)
            self.wait_until(lambda: len(put) > before + 3, "puts go on")
            self.daemon_.restart()
        stop.set()
        thread.join()
        self.assertEqual(queue.qsize(), len(put))


PRODUCER = """
import sys, syncd
queue = syncd.Queue("work", 10)
for number in range(int(sys.argv[2])):
    queue.put([sys.argv[1], number])
"""

CONSUMER = """
import syncd
queue, done = syncd.Queue("work", 10), syncd.Queue("done")
slots, lock = syncd.Semaphore("slots", 2), syncd.Lock("lock")
while True:
    try:
        item = queue.get()
    except syncd.ShutDown:
        break
    with slots:
        with lock:
            token = lock.token
    done.put([item, token])
    queue.task_done()
"""


class LoadTests(Restarting):
    """Producers and consumers in processes; the daemon is killed again and
    again, and a consumer with it."""

    PRODUCERS, EACH, KILLS = 2, 150, 3

    def test_nothing_is_lost(self):
        consumers = [self.program(CONSUMER) for _ in range(3)]
        producers = [self.program(PRODUCER, str(number), str(self.EACH))
                     for number in range(self.PRODUCERS)]
        done = syncd.Queue("done")
        self.wait_until(lambda: done.qsize() >= 20, "some are done")
        consumers.pop().kill()
        for kill in range(1, self.KILLS + 1):
            self.wait_until(
                lambda: done.qsize() >= kill * 60, "some are done")
            self.restart()
        for producer in producers:
            self.ends(producer)
        work = syncd.Queue("work")
        self.assertTrue(work.join(case.harness.PATIENCE))
        work.shutdown()
        for consumer in consumers:
            self.ends(consumer)
        items, tokens = [], []
        for _ in range(done.qsize()):
            item, token = done.get()
            items.append(tuple(item))
            tokens.append(token)
        wanted = {(str(producer), number)
                  for producer in range(self.PRODUCERS)
                  for number in range(self.EACH)}
        self.assertEqual(set(items), wanted)
        # Twice may be done what somebody was at when the daemon, which had not
        # yet written that, or the consumer was killed.
        self.assertLessEqual(len(items), len(wanted) + 3 * self.KILLS + 1)
        self.assertEqual(len(set(tokens)), len(tokens))
        self.assertEqual(syncd.Semaphore("slots", 2).get_value(), 2)
        self.assertFalse(syncd.Lock("lock").locked())


if __name__ == "__main__":
    case.main()
