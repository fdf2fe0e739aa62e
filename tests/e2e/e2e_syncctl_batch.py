#!/usr/bin/env python3
"""syncctl batch and put --batch: stages, failures, looking, a terminal."""

import fcntl
import os
import pty
import select
import struct
import termios

import harness
import syncctl_case


class BatchCase(syncctl_case.SyncctlCase):
    def create(self, *args, stages="fetch,save", name="b"):
        ran = self.ctl("batch", "create", name, "--stages", stages, *args)
        self.assertEqual(ran.out, name + "\n")
        return name

    def put(self, stage, *args, queue="q", batch="b", **options):
        return self.ctl("put", queue, "--batch", batch, "--stage", stage,
                        *args, **options)

    def shown(self, batch="b"):
        return self.rpc.call("batch.show", batch=batch)

    def stage(self, name, batch="b"):
        return next(stage for stage in self.shown(batch)["stages"]
                    if stage["stage"] == name)

    def wait_waiters(self, count, batch="b"):
        self.wait_until(lambda: self.shown(batch)["waiters"] == count,
                        f"{count} wait for {batch}")

    def take(self, queue="q"):
        """A job under a lease of this test's own session."""
        return self.rpc.call("queue.get", queue=queue)["jobs"][0]

    def done(self, job):
        self.rpc.call("queue.done", id=job["id"], token=job["token"])

    def die(self, job, error):
        self.rpc.call("queue.fail", id=job["id"], token=job["token"],
                      dead=True, error=error)


class Batches(BatchCase):
    def test_create(self):
        name = self.ctl("batch", "create", "--stages", "a").out.strip()
        other = self.ctl("batch", "create", "--stages", "a", "--json").json
        self.assertNotEqual(name, other["batch"])
        self.create()
        self.create()
        self.refused("batch", "create", "b", "--stages", "fetch", status=1,
                     says="other stages")
        self.refused("batch", "create", "b", status=2, says="--stages")
        for wrong in ("", ",", "a,,b", "a,"):
            self.refused("batch", "create", "--stages", wrong, status=2,
                         says="empty")
        self.refused("batch", "create", "--stages", "a,a")
        self.refused("batch", "create", "--stages", "a/b",
                     says="slash")
        self.refused("batch", "create", "--stages", "a", "--on-failure", "no",
                     status=2, says="break continue")

    def test_stages_wait_for_each_other(self):
        self.create()
        self.put("fetch", "1")
        self.put("save", "--lines", input="2\n3\n", queue="up")
        self.assertEqual(self.counts("up")["held"], 2)
        ran = self.refused("batch", "wait", "b", "--timeout", "0", status=75,
                           says="syncctl batch seal b")
        self.assertEqual(ran.out, "")
        waiting = self.start("batch", "wait", "b")
        fetched = self.start("event", "wait", "batch/b/fetch")
        self.wait_waiters(1)
        self.ctl("work", "q", "--once", "--", "true")
        self.assertEqual(self.counts("up")["held"], 2)
        self.ctl("batch", "seal", "b")
        self.finish(fetched)
        self.ctl("batch", "wait", "b", "--stage", "fetch")
        self.refused("batch", "wait", "b", "--timeout", "10ms", status=124,
                     says="syncctl batch show b")
        self.ctl("work", "up", "--until-empty", "--", "true")
        self.assertEqual(self.finish(waiting).out, "")
        self.assertEqual(self.ctl("batch", "wait", "b", "--json").json,
                         {"passed": True, "state": "done"})
        self.refused("batch", "cancel", "b", status=1, says="done already")
        self.ctl("batch", "delete", "b")
        self.refused("batch", "show", "b", status=1, says="no batch b")

    def test_an_empty_one_is_done_when_it_is_sealed(self):
        self.create(stages="a,b,c")
        self.assertEqual(self.ctl("batch", "seal", "b", "--json")
                         .json["state"], "done")
        self.ctl("batch", "wait", "b")
        self.ctl("event", "wait", "batch/b/c", "--timeout", "0")

    def test_sealed_is_sealed(self):
        self.create()
        self.put("fetch", "1")
        self.ctl("batch", "seal", "b")
        ran = self.put("save", "2", status=1)
        self.assertIn("it is sealed", ran.err)
        ran = self.put("none", "2", status=1)
        self.assertIn("no stage none", ran.err)
        ran = self.put("save", "2", batch="none", status=1)
        self.assertIn("no batch none", ran.err)

    def test_put_wants_both(self):
        self.refused("put", "q", "1", "--batch", "b", status=2,
                     says="--stage is missing")
        self.refused("put", "q", "1", "--stage", "fetch", status=2,
                     says="--batch is missing")

    def test_orphan(self):
        """Whoever made it is gone: anyone seals or cancels it."""
        self.create()
        self.put("fetch", "1")
        self.assertEqual(self.shown()["state"], "unsealed")
        self.assertRegex(self.ctl("batch", "show", "b").out,
                         r"sealed +no, no stage passes yet")
        self.create(name="c")
        self.put("fetch", "2", batch="c")
        self.assertEqual(self.ctl("batch", "cancel", "c").out,
                         "1 job cancelled\n")
        self.ctl("batch", "seal", "b")
        self.ctl("work", "q", "--once", "--", "true")
        self.ctl("batch", "wait", "b")

    def test_limit(self):
        self.rpc.call("semaphore.declare", semaphore="few", value=1)
        self.rpc.call("semaphore.declare", semaphore="some", value=2)
        ran = self.ctl("put", "q", "--lines", "--limit", "few", "--limit",
                       "some", input="1\n2\n")
        self.assertEqual(len(ran.lines), 2)
        self.assertEqual(self.rpc.call("semaphore.show",
                                       semaphore="some")["free"], 2)
        job = self.take()
        self.assertEqual(self.rpc.call("semaphore.show",
                                       semaphore="some")["free"], 1)
        self.assertEqual(self.rpc.call("queue.get", queue="q",
                                       timeout=0)["jobs"], [])
        self.done(job)
        self.done(self.take())
        self.refused("put", "q", "1", "--limit", "none", status=1,
                     says="semaphore none")


class FromInside(BatchCase):
    """The commands of jobs add to their batch by themselves."""

    def work_once(self, script, status=0, **options):
        return self.ctl("work", "q", "--once", "--", "sh", "-c", script,
                        status=status, **options)

    def test_a_running_job_adds(self):
        self.create()
        self.put("fetch", "1")
        self.ctl("batch", "seal", "b")
        self.work_once('"$SYNCCTL" put -q q --batch "$SYNCD_BATCH" '
                       '--stage save one; '
                       '"$SYNCCTL" put -q q --stage save two; '
                       '"$SYNCCTL" put -q q --batch b same')
        # Its own stage got one more, so that it has not passed.
        self.assertFalse(self.stage("fetch")["passed"])
        self.assertEqual(self.stage("save")["counts"]["held"], 2)
        self.assertEqual(self.take()["body"], "same")

    def test_in_a_lock_the_token_of_the_job_counts(self):
        self.create()
        self.put("fetch", "1")
        self.ctl("batch", "seal", "b")
        self.work_once('"$SYNCCTL" lock l -- "$SYNCCTL" put -q q '
                       '--stage save one')
        self.assertEqual(self.stage("save")["counts"]["ready"], 1)

    def test_not_to_others(self):
        self.create()
        self.create(name="other")
        self.create(name="open")
        self.put("fetch", "1")
        self.ctl("batch", "seal", "b")
        self.ctl("batch", "seal", "other")
        ran = self.work_once('"$SYNCCTL" put q --batch other --stage save x; '
                             'echo "$?"; '
                             '"$SYNCCTL" put -q q --batch open --stage save y; '
                             'echo "$?"')
        self.assertEqual(ran.out, "1\n0\n")
        self.assertIn("that stage has passed", ran.err)

    def test_not_when_the_lease_is_over(self):
        self.create()
        self.put("fetch", "1")
        job = self.take()
        env = {"SYNCD_BATCH": "b", "SYNCD_STAGE": "fetch",
               "SYNCD_JOB": str(job["id"]), "SYNCD_TOKEN": str(job["token"])}
        self.ctl("put", "q", "2", "--stage", "save", env=env)
        self.done(job)
        ran = self.ctl("put", "q", "3", "--stage", "save", env=env, status=1)
        self.assertIn("no longer ours", ran.err)
        # Many lines at once are put the same way.
        ran = self.ctl("put", "q", "--lines", "--stage", "save", env=env,
                       input="3\n4\n", status=1)
        self.assertIn("no longer ours", ran.err)
        self.assertEqual(self.stage("save")["counts"]["held"], 1)


class Failures(BatchCase):
    def test_a_dead_job_breaks_it(self):
        self.create()
        self.put("fetch", "1", "--max-attempts", "1")
        self.put("save", "2")
        self.ctl("batch", "seal", "b")
        waiting = self.start("batch", "wait", "b")
        self.wait_waiters(1)
        self.ctl("work", "q", "--once", "--", "sh", "-c", "exit 3", status=3)
        ran = self.finish(waiting, status=125)
        self.assertIn('"b" is broken: job 1 is dead: it exited with status 3',
                      ran.err)
        self.assertIn("syncctl batch retry b", ran.err)
        self.assertEqual(self.counts("q")["held"], 1)
        self.assertRegex(self.ctl("batch", "show", "b").out,
                         r"broken by +job 1")
        self.assertRegex(self.ctl("batch").lines[1], r"^b +broken +fetch")
        self.refused("batch", "delete", "b", status=1,
                     says="first: syncctl batch cancel b")
        self.ctl("batch", "create", "c", "--stages", "only",
                 "--on-failure", "continue")
        self.ctl("put", "dead", "1", "--batch", "c", "--stage", "only")
        self.ctl("batch", "seal", "c")
        self.ctl("queue", "set", "dead", "--max-attempts", "1")
        self.ctl("work", "dead", "--once", "--", "false", status=1)
        self.refused("batch", "delete", "c", status=1,
                     says="of each: syncctl job cancel ID")
        self.assertEqual(self.ctl("batch", "retry", "b").out,
                         "1 job retried\n")
        self.ctl("work", "q", "--until-empty", "--", "true")
        self.ctl("batch", "wait", "b")

    def test_what_it_died_of(self):
        self.create(stages="a")
        for error, says in (("no luck", "is dead: no luck"),
                            ({"signal": 9}, "signal 9 ended it"),
                            ({"timeout": 5}, "it took too long"),
                            ({"code": 1}, '{"code": 1}')):
            self.put("a", "1")
            job = self.take()
            self.die(job, error)
            self.refused("batch", "wait", "b", status=125, says=says)
            self.ctl("job", "cancel", str(job["id"]))
        self.put("a", "1")
        job = self.take()
        self.rpc.call("queue.fail", id=job["id"], token=job["token"],
                      dead=True)
        self.refused("batch", "wait", "b", status=125, says="is dead; see")

    def test_go_on_over_failures(self):
        self.create("--on-failure", "continue")
        self.put("fetch", "1")
        self.put("save", "2")
        self.ctl("batch", "seal", "b")
        self.die(self.take(), "no luck")
        self.done(self.take())
        self.ctl("batch", "wait", "b")
        self.assertEqual(self.shown()["state"], "done")
        self.assertRegex(self.ctl("batch", "show", "b").out,
                         r"on failure +continue")

    def test_cancel_while_jobs_run(self):
        self.create()
        self.put("fetch", "--lines", input="1\n2\n3\n")
        self.put("save", "4")
        self.ctl("batch", "seal", "b")
        worker = self.start("work", "q", "-j", "2", "--lease", "300ms",
                            "--", "sh", "-c",
                            'touch "$T/ran$SYNCD_SLOT"; exec sleep 1000')
        self.wait_file("ran1")
        self.wait_file("ran2")
        waiting = self.start("batch", "wait", "b")
        self.wait_waiters(1)
        self.assertEqual(self.ctl("batch", "cancel", "b", "--json").json,
                         {"cancelled": 4})
        self.assertIn('"b" was cancelled',
                      self.finish(waiting, status=125).err)
        # Its commands are ended, since their jobs are theirs no more.
        self.wait_counts("q", running=0)
        self.ctl("queue", "close", "q")
        self.finish(worker, status=None)
        self.refused("batch", "retry", "b", status=1, says="cancelled")
        self.ctl("batch", "delete", "b")


class Looking(BatchCase):
    def test_list_and_show(self):
        self.assertEqual(self.ctl("batch").out, "")
        self.create()
        self.create(name="c")
        self.put("fetch", "1")
        self.put("fetch", "2")
        self.put("save", "3")
        self.ctl("batch", "seal", "b")
        self.done(self.take())
        job = self.take()
        waiting = self.start("batch", "wait", "b")
        self.wait_waiters(1)
        lines = [line.split() for line in self.ctl("batch").lines]
        self.assertEqual(lines[0], ["BATCH", "STATE", "STAGE", "DONE",
                                    "RUNNING", "DEAD", "WAITING"])
        self.assertEqual(lines[1], ["b", "running", "fetch", "1/3", "1", "0",
                                    "1"])
        self.assertEqual(lines[2], ["c", "unsealed", "fetch", "0/0", "0", "0",
                                    "0"])
        self.assertEqual(lines[5][:3], ["b", "waits", str(waiting.pid)])
        shown = self.ctl("batch", "show", "b").out
        self.assertRegex(shown, r"fetch +open +0 +0 +0 +1 +0 +1\n")
        self.assertRegex(shown, r"save +to come +1 +0 +0 +0 +0 +0\n")
        self.assertIn(str(waiting.pid), shown)
        listed = self.ctl("batch", "list", "c", "--json").json
        self.assertEqual([batch["batch"] for batch in listed], ["c"])
        self.assertEqual(self.ctl("batch", "show", "b", "--json")
                         .json["stages"][0]["counts"]["running"], 1)
        self.done(job)
        self.done(self.take())
        self.finish(waiting)
        self.assertRegex(self.ctl("batch").lines[1], r"^b +done +- +3/3 ")

    def test_bars_on_a_terminal(self):
        self.create()
        self.put("fetch", "1")
        self.put("fetch", "2")
        self.put("save", "3")
        screen, terminal = pty.openpty()
        self.addCleanup(os.close, screen)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ,
                    struct.pack("HHHH", 24, 80, 0, 0))
        waiting = self.start("batch", "wait", "b", stderr=terminal,
                             env={"TERM": "xterm"})
        os.close(terminal)
        printed = bytearray()

        def has(text):
            while select.select([screen], [], [], 0)[0]:
                try:
                    printed.extend(os.read(screen, 65536))
                except OSError:
                    return False
            return text in printed
        bar = b"[------------------------]"
        self.wait_until(lambda: has(b"not sealed yet"), "word of the seal")
        self.assertIn(b"fetch " + bar + b"    0/2", printed)
        self.assertIn(b"\r\nsave  " + bar + b"    0/1", printed)
        self.ctl("batch", "seal", "b")
        self.done(self.take())
        half = b"[############------------]    1/2"
        self.wait_until(lambda: has(b"fetch " + half), "half a bar")
        job = self.take()
        self.wait_until(lambda: has(half + b", 1 running"), "who runs")
        self.done(job)
        self.wait_until(lambda: has(b"fetch [########################]    2/2"),
                        "a full bar")
        self.assertIn(b"\r\x1b[1A\x1b[J", printed)
        self.done(self.take())
        self.finish(waiting)

    def test_completion(self):
        self.create(name="nightly")
        self.ctl("event", "set", "fetched")
        self.ctl("barrier", "abort", "phase1")
        for words, found in ((["batch", "seal", ""], "nightly"),
                             (["put", "q", "--batch", ""], "nightly"),
                             (["event", "wait", ""], "fetched"),
                             (["put", "q", "--after", ""], "fetched"),
                             (["event", "list", ""], "fetched"),
                             (["barrier", "reset", ""], "phase1"),
                             (["barrier", "b", "--"], "--parties"),
                             (["batch", ""], "create"),
                             (["batch", "wait", "nightly", "--stage", ""],
                              "fetch"),
                             (["put", "q", "--batch", "nightly", "--stage",
                               ""], "fetch"),
                             (["batch", "create", "--on-failure", ""],
                              "continue")):
            with self.subTest(words):
                ran = self.ctl("__complete", "words", "--", *words)
                self.assertIn(found, ran.lines)


class Crash(BatchCase):
    def test_stages_pass_exactly_once_over_a_kill(self):
        """kill -9 of the daemon in the middle: each job's work is done, no
        stage begins before the one before has ended, and each passes once."""
        stages = ["a", "b", "c"]
        self.create(stages=",".join(stages))
        for stage in stages:
            self.put(stage, "--lines", "--max-attempts", "0",
                     input="".join(f"{stage}{n}\n" for n in range(20)))
        worker = self.start(
            "work", "q", "-j", "4", "--", "sh", "-c",
            'echo "$SYNCD_STAGE begin $1" >> "$T/log"; '
            'echo "$SYNCD_STAGE end $1" >> "$T/log"', "_", "{}")
        waiting = self.start("batch", "wait", "b")
        self.ctl("batch", "seal", "b")
        for count in (5, 25, 45):
            self.wait_until(lambda: self.ended() >= count, f"{count} jobs")
            self.syncd.kill()
            self.syncd.start()
        self.rpc = self.client(self.syncd)
        self.finish(waiting)
        self.ctl("queue", "close", "q")
        self.finish(worker)
        self.assertEqual([stage["counts"]["done"]
                          for stage in self.shown()["stages"]], [20] * 3)
        self.check_log(stages)

    def log_lines(self):
        try:
            with open(self.path("log")) as log:
                return [line.split() for line in log.read().splitlines()]
        except FileNotFoundError:
            return []

    def ended(self):
        return len({line[2] for line in self.log_lines()
                    if line[1:2] == ["end"] and len(line) == 3})

    def check_log(self, stages):
        lines = self.log_lines()
        ended = {stage: set() for stage in stages}
        for stage, what, job in lines:
            if what == "end":
                ended[stage].add(job)
                continue
            for before in stages[:stages.index(stage)]:
                self.assertEqual(len(ended[before]), 20,
                                 f"{job} began before {before} had ended")
        self.assertEqual([len(ended[stage]) for stage in stages], [20] * 3)
        # A stage that has ended does not begin again.
        order = [stage for stage, _, _ in lines]
        self.assertEqual(sorted(order), order)


if __name__ == "__main__":
    harness.main()
