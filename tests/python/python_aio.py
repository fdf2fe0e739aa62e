"""syncd.aio: the same with coroutines."""
import asyncio
import threading

import case
import syncd
from syncd import aio


class AioTests(case.Case):
    """Each test is a coroutine, run to its end."""

    def run_async(self, test):
        asyncio.run(asyncio.wait_for(test(), case.harness.PATIENCE))

    async def until(self, condition, what):
        """As wait_until; `condition` is a coroutine function."""
        loop = asyncio.get_running_loop()
        limit = loop.time() + case.harness.PATIENCE
        while not await condition():
            self.assertLess(loop.time(), limit, f"never came: {what}")
            await asyncio.sleep(0.005)

    async def waiters(self, noun, name, count):
        async def there():
            shown = await aio.call(f"{noun}.show", **{noun: name})
            return shown["waiters"] == count
        await self.until(there, f"{count} wait for {name}")

    def test_locks_belong_to_tasks(self):
        async def test():
            lock, reentrant = aio.Lock("l"), aio.RLock("r")
            inside, most = 0, 0

            async def work():
                nonlocal inside, most
                async with lock, reentrant, reentrant:
                    inside += 1
                    most = max(most, inside)
                    await asyncio.sleep(0)
                    inside -= 1
            await asyncio.gather(*[work() for _ in range(20)])
            self.assertEqual(most, 1)
            async with reentrant:
                self.assertIsNotNone(reentrant.token)
                with self.assertRaises(RuntimeError):
                    await asyncio.ensure_future(reentrant.release())
            self.assertFalse(await reentrant.locked())
            self.assertTrue(await lock.acquire())
            self.assertFalse(await lock.acquire(timeout=0.01))
            self.assertFalse(await asyncio.ensure_future(
                aio.Lock("l").acquire(timeout=0)))
            await lock.release()
        self.run_async(test)

    def test_a_repr_asks_nobody(self):
        async def test():
            for thing in (aio.Lock("n"), aio.RLock("n"), aio.Condition("n"),
                          aio.Event("n"), aio.Semaphore("n"),
                          aio.Barrier("n", 2), aio.Queue("n")):
                self.assertRegex(
                    repr(thing), "^<syncd.aio.%s at 0x[0-9a-f]+ 'n'>$"
                    % type(thing).__name__)
        self.run_async(test)

    def test_a_cancelled_wait_leaves_nothing(self):
        async def test():
            lock, queue = aio.Lock("l"), aio.Queue("q")
            await lock.acquire()
            waits = asyncio.ensure_future(lock.acquire())
            gets = asyncio.ensure_future(queue.get())
            await self.waiters("lock", "l", 1)
            waits.cancel()
            gets.cancel()
            await asyncio.gather(waits, gets, return_exceptions=True)
            await self.waiters("lock", "l", 0)
            await queue.put("x")
            self.assertEqual(await queue.get(), "x")
            await queue.task_done()
            await lock.release()
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(queue.get(), 0.01)
        self.run_async(test)

    def test_a_condition(self):
        async def test():
            condition = aio.Condition("c")
            state = 0

            async def wait():
                async with condition:
                    await condition.wait_for(lambda: state == 1)
                    return state
            waits = [asyncio.ensure_future(wait()) for _ in range(3)]
            lost = asyncio.ensure_future(wait())
            while condition._waiting < 4:
                await asyncio.sleep(0)
            lost.cancel()
            await asyncio.gather(lost, return_exceptions=True)
            async with condition:
                state = 1
                await condition.notify_all()
            self.assertEqual(await asyncio.gather(*waits), [1, 1, 1])
            self.assertFalse(await aio.Lock("c").locked())
        self.run_async(test)

    def test_events_semaphores_barriers(self):
        async def test():
            event = aio.Event("e")
            waits = asyncio.ensure_future(event.wait())
            self.assertFalse(await event.wait(0))
            await event.set()
            self.assertTrue(await waits and await event.is_set())
            await event.clear()

            semaphore = aio.Semaphore("s", 2)
            async with semaphore, semaphore:
                self.assertTrue(await semaphore.locked())
                self.assertFalse(await semaphore.acquire(timeout=0.01))
            await semaphore.release(2)
            self.assertEqual(await semaphore.get_value(), 4)
            async with aio.BoundedSemaphore(1) as _:
                pass
            with self.assertRaises(ValueError):
                await aio.BoundedSemaphore("b", 1).release()

            acted = []
            barrier = aio.Barrier(3, lambda: acted.append(1))
            indexes = await asyncio.gather(*[barrier.wait() for _ in range(3)])
            self.assertEqual((sorted(indexes), acted), ([0, 1, 2], [1]))
            with self.assertRaises(aio.BrokenBarrierError):
                await barrier.wait(timeout=0.01)
            self.assertTrue((await barrier.show())["broken"])
        self.run_async(test)

    def test_queues_and_threads_share_a_session(self):
        async def test():
            queue = aio.Queue("q", 2)
            await queue.put((1, "a"))
            await queue.put_nowait(2)
            with self.assertRaises(asyncio.QueueFull):
                await queue.put_nowait(3)
            self.assertTrue(await queue.full())
            thread = threading.Thread(target=syncd.Queue("q").get)
            thread.start()
            await queue.put(3)
            self.assertEqual([await queue.get(), await queue.get_nowait()],
                             [2, 3])
            with self.assertRaises(asyncio.QueueEmpty):
                await queue.get(timeout=0.01)
            for _ in range(3):
                await queue.task_done()
            self.assertTrue(await queue.join())
            with self.assertRaises(ValueError):
                await queue.task_done()
            thread.join()
            ranked = aio.PriorityQueue()
            for item in (3, 1, 2):
                await ranked.put(item)
            self.assertEqual([await ranked.get() for _ in range(3)], [1, 2, 3])
        self.run_async(test)

    def test_jobs_and_batches(self):
        async def test():
            queue = aio.Queue("q")
            async with aio.Batch(stages=["one", "two"]) as batch:
                job = await queue.put(1, batch=batch, stage="one",
                                      keep_done=60)
                await queue.put(2, batch=batch, stage="two")
            async with await queue.get_job() as running:
                self.assertEqual(running.item, 1)
                await running.done("result")
            self.assertEqual(await job.result(), "result")
            self.assertTrue(await batch.wait("one"))
            self.assertTrue(await batch.event("one").is_set())
            with self.assertRaises(ValueError):
                async with await queue.get_job():
                    raise ValueError
            self.assertEqual((await batch.show())["state"], "running")
            self.assertEqual(await batch.cancel(), 1)
        self.run_async(test)

    def test_many_at_once_and_nothing_is_left(self):
        async def test():
            queue = aio.Queue("q", 5)
            self.assertEqual(queue.maxsize, 5)
            async with aio.Batch("b", stages=["one"]) as batch:
                await queue.put_many(range(3), batch=batch, stage="one",
                                     priority=1)
            jobs = await queue.get_jobs(2)
            self.assertEqual([(job.item, job.stage, job.priority)
                              for job in jobs],
                             [(0, "one", 1), (1, "one", 1)])
            with self.assertRaises(asyncio.QueueFull) as caught:
                await queue.put_many(range(9), timeout=0)
            self.assertEqual(caught.exception.ids, [])
            with self.assertRaises(syncd.Conflict):
                await queue.delete()
            await queue.delete(force=True)
            semaphore = aio.Semaphore("s", 2)
            self.assertEqual((await semaphore.show())["value"], 2)
            await semaphore.delete()
            event = aio.Event("e")
            self.assertFalse((await event.show())["set"])
            other = syncd.Semaphore("s", 3)
            self.assertEqual(other.get_value(), 3)
            other.acquire()
            other.delete()
            self.assertEqual((await aio.call("semaphore.list"))["semaphores"],
                             [])
        self.run_async(test)

    def test_a_worker(self):
        async def test():
            running = 0

            @aio.worker("w", tasks=5)
            async def work(item):
                nonlocal running
                running += 1
                if item == "slow":
                    await asyncio.Event().wait()
                elif item == "bad":
                    raise syncd.Fail("bad", dead=True)
                return aio.current_job().id, item
            runs = asyncio.ensure_future(work.run())
            jobs = [await work.put(number, keep_done=60)
                    for number in range(10)]
            self.assertEqual([await job.result() for job in jobs],
                             [(job.id, at) for at, job in enumerate(jobs)])
            with self.assertLogs("syncd", "WARNING") as logged:
                bad = await work.put("bad")
                with self.assertRaises(syncd.JobFailed):
                    await bad.result()
            self.assertEqual(logged.records[0].getMessage(),
                             f"job {bad.id} of w failed at try 1: bad")
            self.assertRegex(repr(work), "^<syncd.Worker .*work of 'w'>$")
            slow = await work.put("slow")
            await self.until(lambda: asyncio.sleep(0, running == 12), "it runs")
            runs.cancel()
            await asyncio.gather(runs, return_exceptions=True)

            async def is_back():  # maybe from a get that nobody waits for
                shown = await slow.show()
                return (shown["state"], shown["attempts"]) == ("ready", 0)
            await self.until(is_back, "it is given back")
        self.run_async(test)

    def test_one_that_is_cancelled_ends_no_worker(self):
        async def test():
            @aio.worker("w")
            async def work(item):
                if item == "bad":
                    await aio.current_job().cancel()
                    return object()
                return item
            runs = asyncio.ensure_future(work.run())
            with self.assertLogs("syncd", "WARNING"):
                await work.put("bad")
                job = await work.put(2, keep_done=60)
                self.assertEqual(await job.result(60), 2)
            runs.cancel()
            await asyncio.gather(runs, return_exceptions=True)
        self.run_async(test)

    def test_a_loop_that_is_closed_takes_nothing_along(self):
        async def test():
            asyncio.ensure_future(aio.Lock("l").acquire())
            await asyncio.sleep(0)
        other = syncd.Lock("l", client=self.other())
        other.acquire()
        asyncio.run(test())
        self.wait_shown(other, "waiters", 0)
        other.release()
        self.assertFalse(other.locked())


if __name__ == "__main__":
    case.main()
