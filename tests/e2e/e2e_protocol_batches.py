#!/usr/bin/env python3
"""What proto/PROTOCOL.md promises for batches in stages, over raw sockets."""

import harness

STATES = ["held", "delayed", "ready", "running", "done", "dead"]


class BatchCase(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.syncd = self.daemon(store="sqlite")
        self.rpc = self.client(self.syncd)

    def create(self, *stages, batch="b", **more):
        self.assertEqual(self.rpc.call("batch.create", batch=batch,
                                       stages=list(stages), **more),
                         {"batch": batch})

    def put(self, stage, *bodies, queue="q", batch="b", **more):
        return self.rpc.call("queue.put", queue=queue, batch=batch,
                             stage=stage, bodies=list(bodies), **more)["ids"]

    def show(self, batch="b"):
        return self.rpc.call("batch.show", batch=batch)

    def state(self, batch="b"):
        return self.show(batch)["state"]

    def counts(self, stage, batch="b"):
        """Of a stage, without the zeros."""
        for one in self.show(batch)["stages"]:
            if one["stage"] == stage:
                self.assertEqual(sorted(one["counts"]), sorted(STATES))
                return {state: n for state, n in one["counts"].items() if n}

    def passed(self, batch="b"):
        return [stage["stage"] for stage in self.show(batch)["stages"]
                if stage["passed"]]

    def take(self, count=1, queue="q"):
        return self.rpc.call("queue.get", queue=queue, max=count)["jobs"]

    def none_ready(self, queue="q"):
        self.assertEqual(self.rpc.call("queue.get", queue=queue,
                                       timeout=0)["jobs"], [])

    def done(self, jobs):
        self.rpc.call("queue.done", ids=[job["id"] for job in jobs],
                      token=jobs[0]["token"])

    def die(self, job, **more):
        self.rpc.call("queue.fail", id=job["id"], token=job["token"],
                      dead=True, **more)

    def waiting(self, client, **more):
        """A batch.wait that waits; its id."""
        before = self.show()["waiters"]
        id = client.send("batch.wait", batch="b", **more)
        self.wait_until(lambda: self.show()["waiters"] == before + 1,
                        "a waiter")
        return id

    def assertBroken(self, reason, call, *args, **params):
        error = self.assertRpcError("broken", call, *args, **params)
        self.assertEqual(error.data["reason"], reason)
        return error

    def kill(self):
        self.syncd.kill()
        self.syncd.start()
        self.rpc = self.client(self.syncd)


class Making(BatchCase):
    def test_create(self):
        made = self.rpc.call("batch.create", stages=["a"])["batch"]
        other = self.rpc.call("batch.create", stages=["a"])["batch"]
        self.assertNotEqual(made, other)
        self.create("a", "b")
        self.create("a", "b")
        for stages, more in ((["b", "a"], {}), (["a"], {}),
                             (["a", "b"], {"on_failure": "continue"})):
            self.assertRpcError("conflict", self.rpc.call, "batch.create",
                                batch="b", stages=stages, **more)
        for bad in ([], ["a", "a"], ["a/b"], [""], ["x" * 200], "a", None,
                    [1], [f"s{n}" for n in range(65)]):
            error = self.assertRpcError("invalid_params", self.rpc.call,
                                        "batch.create", stages=bad)
            self.assertTrue(error.data["param"].startswith("stages"), bad)
        self.create(*[f"s{n}" for n in range(64)], batch="most")
        self.assertRpcError("invalid_params", self.rpc.call, "batch.create",
                            stages=["a"], on_failure="no")

    def test_show(self):
        self.create("a", "b")
        self.assertEqual(self.show(), {
            "batch": "b", "state": "unsealed", "sealed": False,
            "on_failure": "break", "waiters": 0, "waiting": [],
            "stages": [{"stage": name, "passed": False,
                        "counts": dict.fromkeys(STATES, 0)}
                       for name in ("a", "b")]})
        for method in ("show", "seal", "wait", "cancel", "retry", "delete"):
            error = self.assertRpcError("not_found", self.rpc.call,
                                        f"batch.{method}", batch="none")
            self.assertEqual(error.code, -32003)

    def test_list(self):
        for n in range(5):
            self.create("a", batch=f"n{n}")
        self.create("a", batch="other")
        seen, after = [], {}
        while True:
            page = self.rpc.call("batch.list", prefix="n", limit=2, **after)
            seen += [batch["batch"] for batch in page["batches"]]
            if "next" not in page:
                break
            after = {"after": page["next"]}
        self.assertEqual(seen, [f"n{n}" for n in range(5)])

    def test_stays_until_it_is_deleted(self):
        maker = self.client(self.syncd)
        maker.call("batch.create", batch="b", stages=["a"])
        maker.call("queue.put", queue="q", batch="b", stage="a", body=1)
        maker.close()
        self.kill()
        self.assertEqual(self.state(), "unsealed")
        self.assertRpcError("conflict", self.rpc.call, "batch.delete",
                            batch="b")
        self.assertEqual(self.rpc.call("batch.seal", batch="b")["state"],
                         "running")
        self.done(self.take())
        self.assertEqual(self.state(), "done")
        self.assertEqual(self.rpc.call("batch.seal", batch="b")["state"],
                         "done")
        self.assertEqual(self.rpc.call("batch.delete", batch="b"), {})
        self.assertEqual(self.rpc.call("batch.list"), {"batches": []})
        self.assertEqual(self.rpc.call("event.list"), {"events": []})
        self.kill()
        self.assertEqual(self.rpc.call("batch.list"), {"batches": []})


class Joining(BatchCase):
    def refused(self, name, stage, client=None, batch="b", **more):
        return self.assertRpcError(
            name, (client or self.rpc).call, "queue.put", queue="q",
            batch=batch, stage=stage, body=1, **more)

    def test_batch_and_stage(self):
        self.create("a")
        self.refused("not_found", "none")
        self.refused("not_found", "a", batch="none")
        for half in ({"batch": "b"}, {"stage": "a"}):
            self.assertRpcError("invalid_params", self.rpc.call, "queue.put",
                                queue="q", body=1, **half)
        self.rpc.call("queue.declare", queue="q", durable=False)
        self.refused("conflict", "a")
        self.assertEqual(self.counts("a"), {})

    def test_jobs_tell_their_batch(self):
        self.create("a", "b")
        held = self.put("b", 2)[0]
        self.put("a", 1)
        job = self.take()[0]
        self.assertEqual((job["batch"], job["stage"]), ("b", "a"))
        shown = self.rpc.call("job.show", id=held)
        self.assertEqual((shown["state"], shown["batch"], shown["stage"]),
                         ("held", "b", "b"))

    def test_held_jobs_take_no_room(self):
        self.rpc.call("queue.declare", queue="q", capacity=1)
        self.create("a", "b")
        self.put("b", *range(10))
        self.put("a", "x")
        self.assertRpcError("queue_full", self.rpc.call, "queue.put",
                            queue="q", batch="b", stage="a", body=1, timeout=0)
        shown = self.rpc.call("queue.show", queue="q")
        self.assertEqual((shown["counts"]["held"], shown["unfinished"]),
                         (10, 11))
        self.rpc.call("batch.seal", batch="b")
        self.done(self.take())
        # Released over capacity.
        self.assertEqual(self.rpc.call("queue.show", queue="q")
                         ["counts"]["ready"], 10)

    def test_a_put_that_waits_when_it_is_sealed(self):
        self.rpc.call("queue.declare", queue="q", capacity=1)
        self.create("a")
        self.put("a", 1)
        outside = self.client(self.syncd)
        id = outside.send("queue.put", queue="q", batch="b", stage="a", body=2)
        self.wait_until(lambda: self.rpc.call("queue.show", queue="q")
                        ["waiting"]["put"] == 1, "a put that waits")
        self.rpc.call("batch.seal", batch="b")
        self.done(self.take())
        self.assertRpcError("conflict", outside.wait, id)
        self.assertEqual(self.state(), "done")

    def test_from_inside(self):
        self.create("a", "b", "c")
        self.put("a", 1)
        self.put("b", 2)
        self.rpc.call("batch.seal", batch="b")
        outside = self.client(self.syncd)
        self.refused("conflict", "c", outside)
        job = self.take()[0]
        inside = {"from": {"id": job["id"], "token": job["token"]}}
        # By the lease of this session, and by `from` out of another one.
        self.put("a", 3)
        outside.call("queue.put", queue="q", batch="b", stage="c", body=4,
                     **inside)
        self.refused("conflict", "c", outside)
        self.refused("stale_token", "c", outside,
                     **{"from": {"id": job["id"], "token": job["token"] + 1}})
        self.refused("invalid_params", "c", outside,
                     **{"from": {"id": job["id"]}})
        self.done([job])
        self.refused("stale_token", "c", outside, **inside)
        self.refused("conflict", "c")
        # What it added to its own stage is waited for.
        self.assertEqual(self.passed(), [])
        self.done(self.take())
        job = self.take()[0]
        self.assertEqual(job["stage"], "b")
        self.refused("conflict", "a")
        self.done([job])
        self.done(self.take())
        self.assertEqual(self.state(), "done")

    def test_a_key_that_is_there_already(self):
        self.create("a")
        first = self.rpc.call("queue.put", queue="q", batch="b", stage="a",
                              body=1, key="k")
        again = self.rpc.call("queue.put", queue="q", batch="b", stage="a",
                              body=2, key="k")
        self.assertEqual(again, {"id": first["id"], "duplicate": True})
        self.assertEqual(self.counts("a"), {"ready": 1})


class Passing(BatchCase):
    def test_each_stage_waits_for_the_one_before(self):
        self.create("a", "b", "c")
        for stage in ("c", "b", "a"):
            self.put(stage, 1, 2, queue=stage)
        waiters = [self.client(self.syncd) for _ in range(4)]
        ids = [self.waiting(waiters[0], stage="a"),
               self.waiting(waiters[1], stage="b"),
               self.waiting(waiters[2])]
        event = waiters[3].send("event.wait", event="batch/b/a")
        jobs = self.take(2, "a")
        self.done(jobs)
        # Not sealed: it does not pass.
        self.assertEqual(self.passed(), [])
        self.none_ready("b")
        self.assertEqual(self.rpc.call("batch.seal", batch="b")["sealed"],
                         True)
        self.assertEqual(waiters[0].wait(ids[0])["passed"], True)
        self.assertEqual(waiters[3].wait(event), {"set": True})
        self.none_ready("c")
        one, two = self.take(2, "b")
        self.done([one])
        self.none_ready("c")
        self.assertEqual(self.passed(), ["a"])
        self.rpc.call("queue.done", id=two["id"], token=two["token"])
        self.assertEqual(waiters[1].wait(ids[1]),
                         {"passed": True, "state": "running"})
        self.done(self.take(2, "c"))
        self.assertEqual(waiters[2].wait(ids[2]),
                         {"passed": True, "state": "done"})
        self.assertEqual([e["event"] for e in
                          self.rpc.call("event.list")["events"]],
                         ["batch/b/a", "batch/b/b", "batch/b/c"])

    def test_stages_without_jobs(self):
        self.create("a", "b", "c", "d")
        self.put("b", 1)
        self.assertEqual(self.rpc.call("batch.seal", batch="b")["state"],
                         "running")
        self.assertEqual(self.passed(), ["a"])
        self.done(self.take())
        self.assertEqual(self.passed(), ["a", "b", "c", "d"])
        self.create("a", batch="empty")
        self.assertEqual(self.rpc.call("batch.seal", batch="empty")["state"],
                         "done")

    def test_every_way_a_job_can_go(self):
        """A stage passes when its last job is done, cancelled, purged, or taken
        at most once; one that comes back is waited for."""
        self.create("a", "b")
        cancelled, *_ = self.put("a", *range(4))
        self.put("b", "next", queue="next")
        self.put("a", "purged", queue="p")
        self.rpc.call("batch.seal", batch="b")
        self.rpc.call("job.cancel", id=cancelled)
        self.rpc.call("queue.purge", queue="p", states=["ready"])
        jobs = self.take(2)
        self.done(jobs[:1])
        failed = jobs[1]
        self.rpc.call("queue.fail", id=failed["id"], token=failed["token"],
                      delay=0)
        self.assertEqual(self.counts("a"), {"ready": 2, "done": 1})
        crashed = self.client(self.syncd)
        crashed.call("queue.get", queue="q", max=2)
        crashed.close()
        self.wait_until(lambda: self.counts("a") == {"ready": 2, "done": 1},
                        "the jobs of the dead")
        self.assertEqual(self.passed(), [])
        self.rpc.call("queue.get", queue="q", max=2, take=True)
        self.assertEqual(self.passed(), ["a"])
        self.assertEqual(self.take(1, "next")[0]["body"], "next")

    def test_a_stage_passes_by_one_row(self):
        """However many are released: that of the batch, beside that of the job
        that is done. Every write has one more, which tells the time."""
        self.create("a", "b")
        self.put("a", 1)
        self.put("b", *range(500), queue="next")
        self.rpc.call("batch.seal", batch="b")
        job = self.take()
        before = self.rpc.call("server.stats")["counters"]
        self.done(job)
        self.assertEqual(len(self.take(500, "next")), 500)
        now = self.rpc.call("server.stats")["counters"]
        writes = now["batches"] - before["batches"]
        self.assertEqual(now["rows"] - before["rows"] - writes, 2)

    def test_kept_results_are_no_parties(self):
        self.create("a")
        id = self.put("a", 1, keep_done=600)[0]
        self.rpc.call("batch.seal", batch="b")
        self.done(self.take())
        self.assertEqual(self.state(), "done")
        self.assertEqual(self.rpc.call("job.show", id=id)["state"], "done")
        self.rpc.call("batch.delete", batch="b")
        self.assertEqual(self.rpc.call("job.show", id=id)["state"], "done")

    def test_timeouts(self):
        self.create("a")
        self.put("a", 1)
        for timeout, state in ((0, "unsealed"), (0.00001, "unsealed"),
                               (0.01, "unsealed")):
            self.assertEqual(self.rpc.call("batch.wait", batch="b",
                                           timeout=timeout),
                             {"passed": False, "state": state})
        self.assertEqual(self.show()["waiters"], 0)
        self.assertRpcError("not_found", self.rpc.call, "batch.wait",
                            batch="b", stage="none")

    def test_over_crashes(self):
        """Each stage passes once, whatever dies in between."""
        self.create("a", "b")
        self.put("a", 1, 2)
        self.put("b", 3)
        self.kill()
        self.rpc.call("batch.seal", batch="b")
        self.kill()
        jobs = self.take(2)
        self.done(jobs[:1])
        self.kill()
        self.assertEqual(self.counts("a"), {"ready": 1, "done": 1})
        self.assertEqual(self.counts("b"), {"held": 1})
        self.done(self.take(2))
        self.kill()
        self.assertEqual(self.passed(), ["a"])
        self.assertEqual(self.rpc.call("event.wait", event="batch/b/a",
                                       timeout=0), {"set": True})
        jobs = self.take(9)
        self.assertEqual([job["body"] for job in jobs], [3])
        self.done(jobs)
        self.kill()
        self.assertEqual(self.state(), "done")
        self.assertEqual(self.counts("a"), {"done": 2})
        self.none_ready()


class Breaking(BatchCase):
    def setUp(self):
        super().setUp()
        self.waiter = self.client(self.syncd)

    def test_break(self):
        self.create("a", "b")
        self.put("a", 1, 2)
        self.put("b", 3)
        id = self.waiting(self.waiter)
        self.waiter.send("event.wait", event="batch/b/a")
        one, two = self.take(2)
        self.die(one, error={"why": "no luck"})
        error = self.assertBroken("a job is dead", self.waiter.wait, id)
        self.assertEqual((error.code, error.data["job"], error.data["error"]),
                         (-32006, one["id"], {"why": "no luck"}))
        self.assertFalse(error.data["retryable"])
        # Also before the seal, and whatever else is done.
        self.assertEqual(self.state(), "broken")
        self.rpc.call("batch.seal", batch="b")
        self.rpc.call("queue.done", id=two["id"], token=two["token"])
        self.none_ready()
        self.assertEqual(self.show()["job"], one["id"])
        self.assertBroken("a job is dead", self.rpc.call, "batch.wait",
                          batch="b", stage="a", timeout=0)
        self.rpc.call("server.info")
        self.assertFalse(self.waiter.has_input())  # the event is waited for
        self.kill()
        self.assertEqual(self.state(), "broken")
        self.assertEqual(self.rpc.call("batch.retry", batch="b"),
                         {"retried": 1})
        self.assertEqual(self.state(), "running")
        job = self.take()[0]
        self.assertEqual((job["id"], job["attempt"]), (one["id"], 1))
        self.done([job])
        self.assertEqual(self.passed(), ["a"])

    def test_each_way_to_mend(self):
        for mend in ("batch.retry", "job.retry", "job.cancel", "queue.purge"):
            name = mend.replace(".", "-")
            self.create("a", "b", batch=name)
            self.put("a", 1, batch=name, queue=name)
            self.put("b", 2, batch=name, queue=name)
            self.rpc.call("batch.seal", batch=name)
            job = self.take(queue=name)[0]
            self.die(job)
            self.assertEqual(self.state(name), "broken")
            if mend == "batch.retry":
                self.rpc.call(mend, batch=name)
            elif mend == "queue.purge":
                self.rpc.call(mend, queue=name, states=["dead"])
            else:
                self.rpc.call(mend, id=job["id"])
            self.assertEqual(self.state(name), "running")
            self.assertNotIn("job", self.show(name))
            if mend.endswith("retry"):
                self.done(self.take(queue=name))
            self.assertEqual(self.take(queue=name)[0]["body"], 2)

    def test_continue(self):
        self.create("a", "b", on_failure="continue")
        self.put("a", 1, 2)
        self.put("b", 3)
        self.rpc.call("batch.seal", batch="b")
        one, two = self.take(2)
        self.die(one)
        self.assertEqual(self.state(), "running")
        self.none_ready()
        self.rpc.call("queue.done", id=two["id"], token=two["token"])
        self.assertEqual(self.passed(), ["a"])
        # A later retry does not undo that, and holds up nothing.
        self.assertEqual(self.rpc.call("batch.retry", batch="b"),
                         {"retried": 1})
        self.assertEqual(self.passed(), ["a"])
        jobs = self.take(2)
        self.assertEqual(sorted(job["body"] for job in jobs), [1, 3])
        last = next(job for job in jobs if job["body"] == 3)
        self.rpc.call("queue.done", id=last["id"], token=last["token"])
        self.assertEqual(self.rpc.call("batch.wait", batch="b"),
                         {"passed": True, "state": "done"})
        self.assertRpcError("conflict", self.rpc.call, "batch.delete",
                            batch="b")

    def test_cancel_while_jobs_run(self):
        self.create("a", "b")
        ids = self.put("a", 1, 2, 3) + self.put("b", 4, 5, queue="other")
        running = self.take(2)
        id = self.waiting(self.waiter)
        asked = self.client(self.syncd)
        job = asked.send("job.wait", id=ids[4])
        self.wait_until(lambda: self.rpc.call("server.stats")["gauges"]
                        ["waiting_requests"] == 2, "two that wait")
        self.assertEqual(self.rpc.call("batch.cancel", batch="b"),
                         {"cancelled": 5})
        self.assertBroken("cancelled", self.waiter.wait, id)
        self.assertEqual(asked.wait(job)["state"], "cancelled")
        for one in running:
            self.assertRpcError("stale_token", self.rpc.call, "queue.done",
                                id=one["id"], token=one["token"])
        self.none_ready()
        self.assertEqual(self.state(), "cancelled")
        for method, name in (("batch.wait", "broken"),
                             ("batch.retry", "conflict")):
            self.assertRpcError(name, self.rpc.call, method, batch="b")
        self.assertRpcError("conflict", self.rpc.call, "queue.put", queue="q",
                            batch="b", stage="b", body=1)
        # To seal it, or to cancel it again, is no error.
        self.assertEqual(self.rpc.call("batch.seal", batch="b")["state"],
                         "cancelled")
        self.assertEqual(self.rpc.call("batch.cancel", batch="b"),
                         {"cancelled": 0})
        self.assertEqual(self.rpc.call("batch.delete", batch="b"), {})

    def test_cancel_keeps_what_has_passed(self):
        self.create("a", "b")
        self.put("a", 1)
        self.put("b", 2)
        self.rpc.call("batch.seal", batch="b")
        self.done(self.take())
        self.assertEqual(self.rpc.call("batch.cancel", batch="b"),
                         {"cancelled": 1})
        self.assertEqual(self.rpc.call("batch.wait", batch="b", stage="a"),
                         {"passed": True, "state": "cancelled"})
        self.assertEqual(self.rpc.call("event.wait", event="batch/b/a",
                                       timeout=0), {"set": True})
        self.kill()
        self.assertEqual((self.state(), self.passed()), ("cancelled", ["a"]))

    def test_whoever_waits_for_a_deleted_one(self):
        self.create("a")
        id = self.waiting(self.waiter)
        self.rpc.call("batch.delete", batch="b")
        self.assertRpcError("not_found", self.waiter.wait, id)


if __name__ == "__main__":
    harness.main()
