"""What the module syncd has that threads do not: clients, tokens, jobs, workers,
batches."""
import inspect
import multiprocessing
import os
import pickle
import signal
import textwrap
import threading
import unittest

import case
import syncd
from syncd import errors


def missing_job(number):
    """Raises NotFound, in a Pool's process."""
    syncd.Job(syncd.client(), number, "q").show()


class ClientTests(case.Case):
    """Clients, errors, forks."""

    def test_any_method_can_be_called(self):
        self.assertEqual(self.syncd.info()["name"], "syncd")
        self.syncd.call("queue.put", queue="q", body=[1])
        self.assertEqual(
            self.syncd.call("queue.show", queue="q")["counts"]["ready"], 1)
        self.assertIn("counters", self.syncd.stats())

    def test_errors_are_exceptions_of_their_own(self):
        with self.assertRaises(syncd.NotFound) as caught:
            self.syncd.call("job.show", id=99)
        self.assertEqual(caught.exception.name, "not_found")
        self.assertIsInstance(caught.exception, LookupError)
        with self.assertRaises(syncd.InvalidParams) as caught:
            self.syncd.call("queue.put", queue="q", body=1, nonsense=1)
        self.assertEqual(caught.exception.data["param"], "nonsense")
        with self.assertRaises(ValueError):  # half a surrogate pair
            syncd.Queue("q").put("\ud800")
        with self.assertRaisesRegex(ValueError, "at most"):
            syncd.Queue("q").put("x" * (5 << 20))
        self.assertEqual(self.syncd.info()["name"], "syncd")

    def test_errors_come_back_from_a_pool(self):
        """An exception that cannot be loaded ends a Pool's thread, not its
        map(): that waits for ever."""
        replies = [errors.error_of({"code": -1, "message": "text", "data": {
            "name": name, "holds": 2}}) for name in errors._BY_NAME]
        for error in [*replies, syncd.JobFailed(7, {"type": "E"}),
                      syncd.JobCancelled(8), syncd.ConnectError("text"),
                      syncd.LockLost("text"), syncd.Fail("text", dead=True)]:
            again = pickle.loads(pickle.dumps(error))
            self.assertIs(type(again), type(error))
            self.assertEqual((str(again), vars(again)),
                             (str(error), vars(error)))
        with multiprocessing.Pool(1) as pool:
            with self.assertRaises(syncd.NotFound) as caught:
                pool.apply(missing_job, (99,))
        self.assertEqual(caught.exception.name, "not_found")

    def test_no_daemon_is_told_with_what_to_do(self):
        with self.assertRaisesRegex(syncd.ConnectError,
                                    "no syncd is running.*syncd &"):
            syncd.Client(self.path("nowhere")).info()

    def test_a_closed_client_is_of_no_use(self):
        client = self.other()
        lock = syncd.Lock("l", client=client)
        lock.acquire()
        client.close()
        self.assertIn("closed", repr(client))
        self.assertFalse(syncd.Lock("l").locked())
        with self.assertRaises(syncd.ClosedError):
            lock.acquire()

    def test_waiting_calls_of_a_closed_client_end(self):
        client = self.other()
        told = []

        def wait():
            try:
                syncd.Event("e", client=client).wait()
            except syncd.ClosedError:
                told.append(True)
        thread = threading.Thread(target=wait)
        thread.start()
        self.wait_shown(syncd.Event("e"), "waiters", 1)
        client.close()
        thread.join(case.harness.PATIENCE)
        self.assertEqual(told, [True])

    def test_a_forked_child_has_a_session_of_its_own(self):
        lock = syncd.Lock("l")
        with lock:
            mine = self.syncd.session_number
            child = os.fork()
            if child == 0:
                ok = (lock.locked() and lock.token is None
                      and not lock.acquire(timeout=0.001)
                      and syncd.client().session_number != mine)
                os._exit(0 if ok else 1)
            self.assertEqual(os.waitpid(child, 0)[1], 0)
            self.assertTrue(lock.locked())
        self.assertFalse(lock.locked())

    def test_what_a_dead_process_held_is_free(self):
        holder = self.program(
            "import syncd; syncd.Lock('l').acquire(); "
            "s = syncd.Semaphore('s', 2); s.__enter__(); "
            "syncd.BoundedSemaphore('b', 2).acquire(); print('held', "
            "flush=True); input()")
        self.says(holder, "held")
        waited = threading.Thread(target=syncd.Lock("l").acquire)
        waited.start()
        self.wait_shown(syncd.Lock("l"), "waiters", 1)
        holder.kill()
        waited.join(case.harness.PATIENCE)
        self.assertFalse(waited.is_alive())
        self.assertEqual(syncd.Semaphore("s", 2).get_value(), 2)
        self.assertEqual(syncd.BoundedSemaphore("b", 2).get_value(), 2)


PRIVATE_THINGS = """
import os, signal, sys, syncd
queue, slots = syncd.Queue(5), syncd.Semaphore(2)
queue.put("x")
event, barrier = syncd.Event(), syncd.Barrier(2)
event.set()
barrier.abort()
"""

CHILD = """
def child(queue, slots, event, barrier):
    sys.stdin = open(0)  # which multiprocessing has closed
    with slots:
        print("child", flush=True)
        sys.stdin.readline()
        print(queue.get(), slots.get_value(), event.is_set(), barrier.broken,
              flush=True)
        sys.stdin.readline()
"""

FORKED = PRIVATE_THINGS + CHILD + """
if os.fork() == 0:
    child(queue, slots, event, barrier)
    os._exit(0)
signal.pause()
"""

STARTED_ANEW = f"""
import multiprocessing, signal, sys
{CHILD}
if __name__ == "__main__":
{textwrap.indent(PRIVATE_THINGS, "    ")}
    multiprocessing.get_context("spawn").Process(
        target=child, args=(queue, slots, event, barrier)).start()
    signal.pause()
"""


class PrivateTests(case.Case):
    """What has no name ends with the last of its processes."""

    def things(self):
        """What the daemon has of any kind."""
        return [thing for noun in ("queue", "semaphore", "event", "barrier")
                for thing in self.syncd.call(f"{noun}.list")[noun + "s"]]

    def test_at_the_end_of_the_process(self):
        self.ends(self.program(PRIVATE_THINGS))
        self.assertEqual(self.things(), [])

    def test_when_the_process_is_killed(self):
        killed = self.program(
            PRIVATE_THINGS + "print('made', flush=True); signal.pause()")
        self.says(killed, "made")
        self.assertEqual(len(self.things()), 4)
        killed.kill()
        self.wait_until(lambda: not self.things(), "all is gone")

    def goes_on(self, parent):
        """Its child does when it is killed, and then all is gone."""
        self.says(parent, "child")
        parent.kill()
        parent.wait()
        self.let(parent)
        self.says(parent, "x 1 True True")
        self.assertEqual(len(self.things()), 4)
        self.let(parent)
        self.wait_until(lambda: not self.things(), "all is gone")

    def test_a_forked_child_outlives_its_parent(self):
        self.goes_on(self.program(FORKED))

    def test_a_child_started_anew_outlives_its_parent(self):
        path = self.path("program.py")
        with open(path, "w") as file:
            file.write(STARTED_ANEW)
        self.goes_on(self.program(
            "import runpy, sys; runpy.run_path(sys.argv[1], "
            "run_name='__main__')", path))

    def test_it_outlives_the_daemon(self):
        program = self.program(
            PRIVATE_THINGS + "print('made', flush=True); sys.stdin.readline(); "
            "print(queue.get(), slots.get_value(), event.is_set())")
        self.says(program, "made")
        self.daemon_.kill()
        self.daemon_.start()
        self.let(program)
        self.assertEqual(self.ends(program), "x 2 True\n")
        self.assertEqual(self.things(), [])


class LockTests(case.Case):
    """Tokens, owners, deadlocks, interrupts."""

    def test_tokens_grow(self):
        lock = syncd.Lock("l")
        self.assertIsNone(lock.token)
        with lock:
            first = lock.token
        with lock:
            self.assertGreater(lock.token, first)
        self.assertIsNone(lock.token)

    def test_a_token_releases_anothers_lock(self):
        theirs = syncd.Lock("l", client=self.other())
        theirs.acquire()
        mine = syncd.Lock("l")
        with self.assertRaises(RuntimeError):
            mine.release()
        mine.release(token=theirs.token)
        self.assertFalse(mine.locked())

    def test_a_deadlock_is_refused_by_name(self):
        lock = syncd.Lock("l", deadlock="refuse")
        with lock:
            with self.assertRaises(syncd.Deadlock) as caught:
                lock.acquire()
        self.assertEqual(caught.exception.data["cycle"][0]["holds"], "l")

    def test_an_owner_is_handed_down(self):
        with syncd.RLock("l"):
            child = self.program(
                "import syncd; print(syncd.RLock('l').acquire(False), "
                "syncd.Lock('l').acquire(False))",
                env={**os.environ, "SYNCD_OWNER": syncd.owner()})
            self.assertEqual(self.ends(child), "True False\n")
            stranger = self.program(
                "import syncd; print(syncd.RLock('l').acquire(False))")
            self.assertEqual(self.ends(stranger), "False\n")

    def interrupt(self, thing, wait):
        """KeyboardInterrupt in this thread as soon as it waits there."""
        def send():
            self.wait_shown(thing, "waiters", 1)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        thread = threading.Thread(target=send)
        thread.start()
        self.assertRaises(KeyboardInterrupt, wait)
        thread.join()

    def test_an_interrupted_wait_leaves_no_ghost(self):
        theirs = syncd.Lock("l", client=self.other())
        theirs.acquire()
        self.interrupt(theirs, syncd.Lock("l").acquire)
        self.wait_shown(theirs, "waiters", 0)
        theirs.release()
        self.assertFalse(theirs.locked())
        semaphore = syncd.Semaphore("s", 0)
        self.interrupt(semaphore, semaphore.acquire)
        self.wait_shown(semaphore, "waiters", 0)

    def test_a_grant_that_crosses_an_interrupt_is_given_back(self):
        session = self.syncd.session()
        lock, queue = syncd.Lock("l"), syncd.Queue("q")
        queue.put("x")
        for steps in (lock._acquire_steps(None, "o"),
                      queue._take_steps(None, "o")):
            call = syncd.call.Call(next(steps))
            session.submit(call)
            self.wait_until(lambda: call.ended, "the answer")
            session.abandon(call)
        self.wait_until(lambda: not lock.locked(), "it is free")
        self.wait_until(lambda: queue.qsize() == 1, "it is back")
        self.assertEqual(queue.get_job().attempt, 1)

    def test_a_condition_that_two_processes_name(self):
        condition = syncd.Condition("c")
        child = self.program(
            "import syncd\nwith syncd.Condition('c') as _:\n"
            "    syncd.Condition('c').notify()\n")
        with condition:
            pass
        self.ends(child)
        child = self.program(
            "import syncd\nc = syncd.Condition('c')\nwith c:\n"
            "    print('waits', flush=True)\n    print(c.wait(60))")
        self.says(child, "waits")
        with condition:  # it is free when the child has come to wait
            condition.notify_all()
        self.assertEqual(self.ends(child), "True\n")


class ItemTests(case.Case):
    """What a queue takes, and how it travels."""

    PLAIN = [None, True, 0, -5, 12345678901234567890, 0.1, 1e300, "", "ä\n\0",
             [], [1, [2]], {}, {"a": {"b": None}}, (), (1, ("a",)), b"",
             b"\0\xff", {1, 2}, frozenset({"a"}), {1: 2, "a": (1,)},
             {"$tuple": [1]}, {"$x": 1}, {"$dict": 1, "a": 2}, [{"$set": 1}],
             float("inf"), {("a", 1): b"x"}]

    def test_plain_data_comes_back_as_it_was(self):
        queue = syncd.Queue("q")
        queue.put_many(self.PLAIN)
        for item in self.PLAIN:
            got = queue.get()
            self.assertEqual(got, item)
            self.assertIs(type(got), type(item))
        queue.put(float("nan"))
        self.assertNotEqual(*[queue.get()] * 2)

    def test_json_travels_as_json(self):
        syncd.Queue("q").put({"to": "ada", "n": [1, 2.5, None]})
        self.assertEqual(self.syncd.call("queue.get", queue="q")["jobs"][0]
                         ["body"], {"to": "ada", "n": [1, 2.5, None]})
        self.syncd.call("queue.put", queue="q", body={"$tuple": "mine"})
        self.assertEqual(syncd.Queue("q").get(), {"$tuple": "mine"})

    def test_objects_need_pickle_and_pickle_needs_a_key(self):
        item = syncd.client  # any function
        with self.assertRaisesRegex(TypeError, "pickle"):
            syncd.Queue("q").put(item)
        private = syncd.Queue()
        private.put(item)
        self.assertIs(private.get(), item)
        ours = syncd.Queue("q", pickle=b"secret")
        ours.put(item)
        self.assertIs(ours.get(), item)
        syncd.Queue("q", pickle=b"another").put(item)
        with self.assertRaisesRegex(TypeError, "signed"):
            ours.get()
        syncd.Queue("q", pickle=True).put(item)
        with self.assertRaisesRegex(TypeError, "signed"):
            ours.get()
        syncd.Queue("q", pickle=True).put(item)
        with self.assertRaisesRegex(TypeError, "pickle="):
            syncd.Queue("q").get()

    def test_an_item_that_cannot_be_loaded_has_failed(self):
        theirs = syncd.Queue("q", pickle=b"theirs", max_attempts=1)
        theirs.put(ValueError("an object"))
        theirs.put("text")
        queue = syncd.Queue("q", pickle=b"ours")
        self.assertRaisesRegex(TypeError, "not signed", queue.get)
        counts = queue.show()["counts"]
        self.assertEqual((counts["dead"], counts["running"]), (1, 0))
        self.assertEqual(queue.get(), "text")
        queue.task_done()
        self.assertTrue(queue.join())
        theirs.put(ValueError("an object"))
        taking = syncd.Queue("q", pickle=b"ours", take=True)
        self.assertRaisesRegex(TypeError, "not signed", taking.get)
        self.assertTrue(taking.join(0))

    def test_a_priority_queue_goes_by_what_it_can_tell(self):
        queue = syncd.PriorityQueue("p")
        for item in (3, (1, "b"), 2.5, (1, "a"), -1):
            queue.put(item)
        queue.put("late", priority=9)
        self.assertEqual([queue.get() for _ in range(6)],
                         [-1, (1, "b"), (1, "a"), 2.5, 3, "late"])
        for word in ("pear", "apple", "fig"):
            queue.put(word)
        self.assertEqual([queue.get() for _ in range(3)],
                         ["apple", "fig", "pear"])
        with self.assertRaisesRegex(TypeError, "priority="):
            queue.put({"a": 1})


class UnfinishedTests(case.Case):
    """What get() got and the process did not finish."""

    def end_with(self, text, status=0):
        queue = syncd.Queue("q")
        queue.put_many(["a", "b"])
        program = self.program("import syncd\nq = syncd.Queue('q')\n" + text,
                               stderr=case.subprocess.DEVNULL)
        self.ends(program, status)
        left = queue.show()["unfinished"]
        queue.delete(force=True)
        return left

    def test_is_used_up_in_a_program_without_task_done(self):
        self.assertEqual(self.end_with("q.get()\n"), 1)

    def test_goes_back_where_task_done_is_called(self):
        self.assertEqual(
            self.end_with("q.get(); q.task_done(); q.get()\n"), 1)

    def test_goes_back_after_an_exception(self):
        self.assertEqual(self.end_with("q.get()\nraise ValueError\n", 1), 2)

    def test_goes_back_after_a_kill(self):
        self.assertEqual(
            self.end_with("q.get()\nimport os; os.kill(os.getpid(), 9)\n",
                          -9), 2)

    def test_is_done_at_once_with_take(self):
        self.assertEqual(
            self.end_with("q = syncd.Queue('q', take=True); q.get()\n"
                          "import os; os.kill(os.getpid(), 9)\n", -9), 1)

    def test_children_of_multiprocessing_end_in_order_too(self):
        self.assertEqual(self.end_with(
            "import multiprocessing as m\nm.set_start_method('fork')\n"
            "p = m.Process(target=q.get)\np.start(); p.join()\n"), 1)

    def test_a_queue_that_is_shut_down(self):
        queue = syncd.Queue("q")
        queue.put(1)
        queue.shutdown()
        with self.assertRaises(syncd.ShutDown):
            queue.put(2)
        self.assertEqual(queue.get(), 1)
        queue.task_done()
        with self.assertRaises(syncd.ShutDown):
            queue.get()
        other = syncd.Queue("other")
        other.put(1)
        other.shutdown(immediate=True)
        with self.assertRaises(syncd.ShutDown):
            other.get()
        other.join()


# What syncd.aio leaves out: old names, and attributes that would ask the daemon.
NOT_AIO = {"isSet", "notifyAll", "broken", "n_waiting", "is_shutdown",
           "unfinished_tasks"}


def public(kind):
    """The names of its members."""
    return {name for name in dir(kind) if not name.startswith("_")}


class DocumentTests(unittest.TestCase):
    """A small program can be written with nothing but help()."""

    def test_asyncio_has_the_same_methods(self):
        import syncd.aio
        for name in sorted(set(syncd.__all__) & set(syncd.aio.__all__)):
            theirs = getattr(syncd, name)
            if inspect.isclass(theirs) and name not in ("Worker", "QueueFull"):
                ours = getattr(syncd.aio, name)
                self.assertLessEqual(public(theirs) - public(ours),
                                     NOT_AIO, name)

    def described(self, thing, name):
        self.assertTrue(inspect.getdoc(thing), f"{name}: no docstring")

    def test_everything_public_is_described(self):
        import syncd.aio
        for module in (syncd, syncd.aio):
            for name in module.__all__:
                thing = getattr(module, name)
                self.described(thing, name)
                if not inspect.isclass(thing):
                    continue
                for member, value in inspect.getmembers(thing):
                    if not member.startswith("_") and (
                            callable(value) or isinstance(value, property)):
                        self.described(value, f"{name}.{member}")
                        self.assertFalse(member.endswith("_steps"), member)


if __name__ == "__main__":
    case.main()
