"""Jobs, workers and batches of the module syncd."""
import functools
import os
import pickle
import signal
import threading

import case
import syncd
import syncd.aio


class JobTests(case.Case):
    """What is put, what is leased, what comes of it."""

    def test_terms_of_a_put(self):
        queue = syncd.Queue("q")
        first = queue.put("a", key="k")
        again = queue.put("b", key="k")
        self.assertFalse(first.duplicate)
        self.assertTrue(again.duplicate)
        self.assertEqual(first.id, again.id)
        queue.put("urgent", priority=-1)
        queue.put("later", delay=3600)
        self.assertEqual([queue.get(), queue.get()], ["urgent", "a"])
        self.assertRaises(syncd.Empty, queue.get_nowait)
        self.assertEqual(queue.qsize(), 1)
        event = syncd.Event("e")
        queue.put("after", after=[event])
        self.assertRaises(syncd.Empty, queue.get_nowait)
        event.set()
        self.assertEqual(queue.get(timeout=60), "after")

    def test_one_alone_is_no_list_of_letters(self):
        event, semaphore = syncd.Event("ev"), syncd.BoundedSemaphore("se", 1)
        queue = syncd.Queue("q")
        for after, limits in (("ev", "se"), (event, semaphore),
                              ([event], ["se"])):
            queue.put(1, after=after, limits=limits)
            self.assertRaises(syncd.Empty, queue.get_nowait)
            event.set()
            self.assertEqual(queue.get(), 1)
            self.assertEqual(semaphore.get_value(), 0)
            queue.task_done()
            event.clear()
        batch = syncd.Batch(stages="only")
        self.assertEqual([stage["stage"] for stage in batch.show()["stages"]],
                         ["only"])

    def test_limits_of_a_job(self):
        syncd.BoundedSemaphore("s", 1)
        queue = syncd.Queue("q")
        queue.put_many([])
        queue.put(1, limits=["s"])
        queue.put(2, limits=[syncd.BoundedSemaphore("s", 1)])
        self.assertEqual(queue.get(), 1)
        self.assertRaises(syncd.Empty, queue.get_nowait)
        queue.task_done()
        self.assertEqual(queue.get(timeout=60), 2)

    def test_a_result_and_a_failure(self):
        queue = syncd.Queue("q", keep_done=60)
        good, bad = queue.put(20), queue.put("x", max_attempts=1)
        self.assertRaises(TimeoutError, good.result, 0)
        with queue.get_job() as job:
            self.assertEqual((job.item, job.attempt), (20, 1))
            job.done((job.item + 1, "ok"))
        self.assertEqual(good.result(), (21, "ok"))
        with self.assertRaises(ZeroDivisionError):
            with queue.get_job() as job:
                1 / 0
        with self.assertRaises(syncd.JobFailed) as caught:
            bad.result()
        self.assertEqual(caught.exception.error["type"], "ZeroDivisionError")
        self.assertIn("1 / 0", caught.exception.error["traceback"])
        self.assertEqual(str(caught.exception), f"job {bad.id} is dead: "
                         "ZeroDivisionError: division by zero")
        self.assertIn("1 / 0", str(caught.exception.__cause__))
        bad.retry()
        self.assertEqual(bad.show()["state"], "ready")
        self.assertEqual(bad.cancel(), "ready")
        with self.assertRaises(syncd.NotFound):
            bad.show()

    def test_a_job_goes_to_another_process_a_lease_does_not(self):
        queue = syncd.Queue("q")
        job = pickle.loads(pickle.dumps(queue.put(20, keep_done=60)))
        with queue.get_job() as running:
            with self.assertRaisesRegex(TypeError, "its item can"):
                pickle.dumps(running)
            running.done(21)
        self.assertEqual((job.queue, job.result(60)), ("q", 21))
        with self.assertRaisesRegex(TypeError, "make it anew"):
            pickle.dumps(syncd.Queue("q", client=self.other()).put(1))

    def test_a_cancelled_job(self):
        queue = syncd.Queue("q")
        job = queue.put(1)
        told = []

        def wait():
            try:
                job.result()
            except syncd.JobCancelled:
                told.append(True)
        thread = threading.Thread(target=wait)
        thread.start()
        self.wait_until(
            lambda: "job.wait" in syncd.session.pending(self.syncd.session()),
            "it waits")
        queue.get_job()
        job.cancel()
        thread.join()
        self.assertEqual(told, [True])

    def test_ways_to_fail(self):
        queue = syncd.Queue("q")
        queue.put(1)
        with self.assertRaises(KeyboardInterrupt):
            with queue.get_job() as job:
                raise KeyboardInterrupt  # given back, as if untried
        job = queue.get_job()
        self.assertEqual(job.attempt, 1)
        self.assertEqual(job.fail({"why": 1}, delay=0), "ready")
        job = queue.get_job()
        self.assertEqual(job.attempt, 2)
        with self.assertRaises(syncd.Fail):
            with job:
                raise syncd.Fail("for good", dead=True)
        shown = self.syncd.call("job.show", id=job.id)
        self.assertEqual((shown["state"], shown["error"]),
                         ("dead", "for good"))
        with self.assertRaises(syncd.StaleToken):
            job.done()

    def test_a_lease_is_kept_alive_as_long_as_the_with(self):
        queue = syncd.Queue("q")
        queue.put(1)
        with queue.get_job(lease=0.6) as job:
            first = job.until
            self.wait_until(
                lambda: self.syncd.call("job.show", id=job.id).get("until", 0)
                > first + 0.6, "it is extended, and again")
        self.assertEqual(queue.unfinished_tasks, 0)

    def test_extend_and_progress(self):
        queue = syncd.Queue("q")
        queue.put(1)
        job = queue.get_job(lease=10)
        job.extend(100, progress={"percent": 40})
        self.assertEqual(job.lease, 100)
        self.assertEqual(job.show()["progress"], {"percent": 40})
        job.done()

    def test_many_at_once(self):
        queue = syncd.Queue("q", 10)
        ids = []
        putter = threading.Thread(
            target=lambda: ids.extend(queue.put_many(range(2500))))
        putter.start()
        got = []
        while len(got) < 2500:
            jobs = queue.get_jobs(100)
            got += [job.item for job in jobs]
            for job in jobs:
                job.done()
        putter.join()
        self.assertEqual(got, list(range(2500)))
        self.assertEqual(len(set(ids)), 2500)

    def test_what_was_put_before_it_was_full_is_told(self):
        queue = syncd.Queue("q", 3)
        with self.assertRaises(syncd.Full) as caught:
            queue.put_many(range(7), block=False)
        jobs = queue.get_jobs(9)
        self.assertEqual(caught.exception.ids, [job.id for job in jobs])
        self.assertEqual([job.item for job in jobs], [0, 1, 2])

    def test_jobs_until_the_queue_is_closed(self):
        queue = syncd.Queue("q")
        queue.put_many("abc")
        queue.shutdown()
        done = []
        for job in queue.jobs():
            with job:
                done.append(job.item)
        self.assertEqual(done, ["a", "b", "c"])


class BatchTests(case.Case):
    """Stages."""

    def test_three_stages(self):
        with syncd.Batch(stages=["fetch", "process", "save"]) as batch:
            for number in range(3):
                syncd.Queue("dl").put(number, batch=batch, stage="fetch")
            syncd.Queue("up").put("report", batch=batch, stage="save")
        fetched = batch.event("fetch")
        self.assertFalse(batch.wait("fetch", timeout=0))
        self.assertRaises(syncd.Empty, syncd.Queue("up").get_nowait)
        for _ in range(3):
            with syncd.Queue("dl").get_job() as job:
                self.assertEqual((job.batch, job.stage), (batch.name, "fetch"))
                syncd.Queue("px").put(job.item * 2, inside=job,
                                      stage="process")
        self.assertTrue(fetched.wait(60))
        for _ in range(3):
            with syncd.Queue("px").get_job(timeout=60):
                pass
        with syncd.Queue("up").get_job(timeout=60) as job:
            self.assertEqual(job.item, "report")
        self.assertTrue(batch.wait(timeout=60))
        self.assertEqual(batch.show()["state"], "done")
        batch.delete()

    def test_a_dead_job_breaks_it_until_it_is_retried(self):
        batch = syncd.Batch("b", stages=["one"])
        job = syncd.Queue("q").put(1, batch="b", stage="one", max_attempts=1)
        batch.seal()
        syncd.Queue("q").get_job().fail("no luck")
        with self.assertRaises(syncd.Broken) as caught:
            syncd.Batch("b").wait()
        self.assertEqual(caught.exception.data["job"], job.id)
        self.assertEqual(batch.retry(), 1)
        syncd.Queue("q").get_job().done()
        self.assertTrue(batch.wait(timeout=60))

    def test_an_exception_cancels_it(self):
        with self.assertRaises(ValueError):
            with syncd.Batch(stages=["one"]) as batch:
                syncd.Queue("q").put(1, batch=batch, stage="one")
                raise ValueError
        self.assertEqual(batch.show()["state"], "cancelled")


@syncd.worker("double", threads=3)
def double(number):
    """For WorkerTests."""
    if number < 0:
        raise syncd.Fail("negative", dead=True)
    return 2 * number


PROCESSES = """
import sys, os, time, syncd
@syncd.worker("w", processes=2)
def work(item):
    syncd.current_job().extend(progress=os.getpid())
    if item == "slow":
        while not syncd.Event("go").wait(60):
            pass
    return [item, os.getpid()]
if __name__ == "__main__":
    work.run()
    print("over")
"""


class WorkerTests(case.Case):
    """@worker."""

    def setUp(self):
        super().setUp()
        double._queue_made = None  # of the daemon of an earlier test

    def test_threads(self):
        self.assertEqual(double(4), 8)
        double.start()
        jobs = [double.put(number, keep_done=60) for number in range(20)]
        self.assertEqual([job.result(60) for job in jobs],
                         [2 * number for number in range(20)])
        with self.assertLogs("syncd", "WARNING") as logged:
            bad = double.put(-1)
            self.assertRaises(syncd.JobFailed, bad.result, 60)
        self.assertIn(f"job {bad.id} of double failed at try 1: negative",
                      logged.output[0])
        self.assertEqual(repr(double), "<syncd.Worker double of 'double'>")
        self.assertRaises(RuntimeError, double.start)
        double.stop()
        double.put(1)
        self.assertEqual(double.queue.qsize(), 1)
        double.queue.shutdown()
        double.run()  # until nothing is left
        self.assertEqual(double.queue.qsize(), 0)

    def test_one_that_is_cancelled_ends_no_worker(self):
        @syncd.worker("w")
        def work(item):
            if item == "bad":
                syncd.current_job().cancel()
                return object()
            return item
        work.start()
        with self.assertLogs("syncd", "WARNING"):
            work.put("bad")
            self.assertEqual(work.put(2, keep_done=60).result(60), 2)
        work.stop()

    def test_run_raises_what_ends_it(self):
        queue = syncd.Queue("w", 5)
        work = syncd.worker("w", threads=2,
                            client=self.other(grace=0))(int)
        raised = []

        def run():
            try:
                work.run()
            except syncd.Error as error:
                raised.append(error)
        thread = threading.Thread(target=run)
        thread.start()
        self.wait_until(lambda: queue.show()["waiting"]["get"] == 2, "it waits")
        with self.assertLogs("syncd", "ERROR") as logged:
            self.daemon_.kill()
            thread.join()
        self.assertEqual(len(raised), 1)
        self.assertIn("the worker of w ends: ", logged.output[0])

    def test_a_command_that_failed_is_told_in_words(self):
        for error, words in (
                ({"exit": 3, "stderr": "no luck\n"},
                 "it exited with status 3: no luck"),
                ({"exit": 3}, "it exited with status 3"),
                ({"signal": 9, "stderr": ""}, "signal 9 ended it"),
                ({"timeout": 5, "signal": 15}, "it took too long"),
                ({"type": "KeyError", "message": ""}, "KeyError"),
                ({"any": "thing"}, "{'any': 'thing'}"), ("text", "text")):
            self.assertEqual(str(syncd.JobFailed(7, error)),
                             f"job 7 is dead: {words}")

    def test_any_exception_can_be_told(self):
        class Mute(Exception):
            def __str__(self):
                raise ValueError
        for raised, told in ((Mute(), "<exception str() failed>"),
                             (OSError("\ud800"), "?"),
                             (OSError("x" * 99999), "x" * 4096)):
            job = syncd.Queue("q").put(1, max_attempts=1)
            syncd.Queue("q").get_job().fail(raised)
            with self.assertRaises(syncd.JobFailed) as caught:
                job.result()
            self.assertEqual(caught.exception.error["message"], told)

    def test_mistakes_are_told_at_once(self):
        with self.assertRaisesRegex(TypeError, "is given its queue"):
            @syncd.worker
            def bare(_):
                pass
        with self.assertRaisesRegex(TypeError, "for syncd.aio.worker"):
            @syncd.worker("w")
            async def coroutine(_):
                pass

        async def also():
            pass
        with self.assertRaisesRegex(TypeError, "for syncd.aio.worker"):
            syncd.worker("w")(functools.partial(also))
        self.assertRegex(repr(syncd.worker("w")(functools.partial(int))),
                         "^<syncd.Worker functools.partial.* of 'w'>$")
        with self.assertRaisesRegex(TypeError, "is given its queue"):
            @syncd.aio.worker
            async def bare_coroutine(_):
                pass
        for options in ({"threads": 0}, {"processes": -1}):
            self.assertRaises(ValueError, syncd.worker, "w", **options)
        self.assertRaises(AttributeError, syncd.Condition, 5)

    def test_a_killed_process_is_replaced_and_its_job_done(self):
        program = self.program(PROCESSES)
        queue = syncd.Queue("w", keep_done=60)
        job = queue.put("slow")
        self.wait_until(lambda: job.show().get("progress"), "somebody has it")
        killed = job.show()["progress"]
        os.kill(killed, signal.SIGKILL)
        self.wait_until(lambda: job.show().get("progress") != killed,
                        "another has it")
        syncd.Event("go").set()
        item, pid = job.result(60)
        self.assertEqual(item, "slow")
        self.assertNotEqual(pid, killed)
        queue.shutdown()
        self.assertEqual(self.ends(program), "over\n")

    def test_a_signal_lets_what_runs_finish_a_second_one_gives_it_back(self):
        for signals in (1, 2):
            syncd.Event("go").clear()
            program = self.program(PROCESSES)
            queue = syncd.Queue("w", keep_done=60)
            job = queue.put("slow")
            self.wait_until(lambda: job.show().get("progress") and
                            queue.show()["waiting"]["get"] == 1,
                            "one runs, one waits")
            program.send_signal(signal.SIGTERM)
            self.wait_until(
                lambda: queue.show()["waiting"]["get"] == 0, "none is taken")
            if signals == 1:
                syncd.Event("go").set()
                self.assertEqual(job.result(60)[0], "slow")
            else:
                program.send_signal(signal.SIGTERM)
                self.wait_until(lambda: job.show()["state"] == "ready",
                                "it is given back")
                self.assertEqual(job.show()["attempts"], 0)
                job.cancel()
            self.ends(program)

    def test_children_end_with_a_parent_that_is_killed(self):
        program = self.program(PROCESSES)
        queue = syncd.Queue("w")
        self.wait_until(lambda: self.syncd.call("queue.list")["queues"] and
                        queue.show()["waiting"]["get"] == 2, "both wait")
        program.kill()
        self.wait_until(lambda: queue.show()["waiting"]["get"] == 0,
                        "they are gone")


if __name__ == "__main__":
    case.main()
