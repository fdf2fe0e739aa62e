"""syncd.multiprocessing, beyond what multiprocessing's own suite asks."""
import os

import case
import syncd
import syncd.multiprocessing as ours


class LikeTheirs(case.Case):
    """The contract of multiprocessing's classes."""

    def in_child(self, function, *arguments):
        """Does it in a forked process, which must end in order."""
        process = ours.Process(target=function, args=arguments)
        process.start()
        process.join()
        self.assertEqual(process.exitcode, 0)

    def test_a_lock_is_released_by_any_process(self):
        lock = ours.Lock()
        lock.acquire()
        self.in_child(lock.release)
        self.assertFalse(lock.locked())
        with self.assertRaises(ValueError):
            ours.Lock().release()
        with self.assertRaises(AssertionError):
            ours.RLock().release()

    def test_a_permit_is_given_back_by_any_process(self):
        slots = ours.BoundedSemaphore(2)
        slots.acquire()
        slots.acquire()
        self.in_child(slots.release, 2)
        self.assertEqual(slots.get_value(), 2)
        self.assertRaises(ValueError, slots.release)
        self.assertEqual(slots.get_value(), 2)

    def test_a_lost_lock_is_told(self):
        client = self.other(grace=0)
        lock = ours.Lock("l", client=client)
        reentrant = ours.RLock("r", client=client)
        lock.acquire()
        reentrant.acquire()
        self.daemon_.kill()
        self.daemon_.start()
        self.wait_until(lambda: lock.token is None, "it is noticed")
        self.assertRaises(syncd.LockLost, lock.release)
        self.assertRaises(syncd.LockLost, reentrant.release)
        self.assertRaises(ValueError, lock.release)

    def test_without_block_a_timeout_is_ignored(self):
        with ours.Lock("l"):
            self.assertFalse(ours.Lock("l").acquire(False, 60))
            self.assertFalse(ours.Lock("l").acquire(timeout=-1))
        with self.assertRaises(syncd.Full):
            queue = ours.Queue(1)
            queue.put(1)
            queue.put(2, False, 60)
        with self.assertRaises(syncd.Empty):
            ours.Queue().get(True, -1)

    def test_items_are_finished_by_get_or_by_task_done(self):
        queue, joinable = ours.Queue(), ours.JoinableQueue()
        queue.put(obj=1)
        joinable.put_nowait(obj=1)
        self.assertEqual((queue.get(), joinable.get()), (1, 1))
        self.assertEqual(
            (queue.unfinished_tasks, joinable.unfinished_tasks), (0, 1))
        joinable.task_done()
        self.assertTrue(joinable.join())

    def test_a_child_may_use_what_its_parent_has_closed(self):
        queue = ours.Queue("q")
        read, write = os.pipe()

        def child():
            os.read(read, 1)
            queue.put("from the child")
        process = ours.Process(target=child)
        process.start()
        queue.close()
        queue.close()
        self.assertRaises(ValueError, queue.put, 1)
        queue.join_thread()
        os.write(write, b"x")
        process.join()
        self.assertEqual(ours.Queue("q").get(timeout=60), "from the child")
        os.close(read)
        os.close(write)

    def test_reprs(self):
        lock, reentrant = ours.Lock(), ours.RLock("r")
        self.assertEqual(repr(lock), "<Lock(owner=None)>")
        with lock, reentrant, reentrant:
            self.assertEqual(repr(lock), "<Lock(owner=MainProcess)>")
            self.assertEqual(repr(reentrant), "<RLock(MainProcess, 2) 'r'>")
        self.assertEqual(repr(ours.Semaphore(3)), "<Semaphore(value=3)>")
        self.assertEqual(repr(ours.BoundedSemaphore(3)),
                         "<BoundedSemaphore(value=3, maxvalue=3)>")

    def test_the_rest_is_theirs(self):
        with ours.Pool(1) as pool:
            self.assertEqual(pool.map(abs, [-1, -2]), [1, 2])
        self.assertEqual(ours.current_process().name, "MainProcess")
        self.assertIs(syncd.multiprocessing, ours)
        self.assertRaises(AttributeError, getattr, ours, "nonsense")


PROGRAM = """
import sys
from syncd.multiprocessing import JoinableQueue, Lock, Process

def work(number, lock, queue):
    with lock:
        queue.put(number)

if __name__ == "__main__":
    lock, queue = Lock(), JoinableQueue()
    children = [Process(target=work, args=(n, lock, queue)) for n in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    print(sorted(queue.get() for _ in children))
"""


class ProgramTests(case.Case):
    """A program whose import was changed, and nothing else."""

    def test_it_says_the_same(self):
        changed = self.ends(self.program(PROGRAM))
        theirs = self.ends(self.program(PROGRAM.replace("syncd.", "")))
        self.assertEqual(changed, "[0, 1, 2]\n")
        self.assertEqual(changed, theirs)


if __name__ == "__main__":
    case.main()
