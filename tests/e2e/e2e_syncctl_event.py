#!/usr/bin/env python3
"""syncctl event and barrier: waiting, meeting, breaking, looking."""

import signal

import harness
import syncctl_case


class MeetCase(syncctl_case.SyncctlCase):
    def wait_waiters(self, kind, name, count):
        """Until so many wait for it."""
        self.wait_until(
            lambda: self.rpc.call(f"{kind}.show",
                                  **{kind: name})["waiters"] == count,
            f"{count} waiters of {kind} {name}")

    def waiting(self, kind, name, count, *args, **options):
        """syncctl in the background, once it is the count-th who waits."""
        process = self.start(kind, *args, **options)
        self.wait_waiters(kind, name, count)
        return process


class Events(MeetCase):
    def test_set_wait_clear(self):
        self.ctl("event", "set", "e")
        self.assertEqual(self.ctl("event", "wait", "e").out, "")
        self.ctl("event", "wait", "e", "--timeout", "0")
        self.ctl("event", "clear", "e")
        self.ctl("event", "clear", "never used")
        ran = self.refused("event", "wait", "e", "--timeout", "0", status=75,
                           says="syncctl event set e")
        self.assertEqual(ran.out, "")
        self.refused("event", "wait", "e", "--timeout", "10ms", status=124,
                     says="until the timeout")
        ran = self.ctl("event", "wait", "e", "--timeout", "0", "-q", status=75)
        self.assertEqual(ran.err, "")

    def test_set_and_clear_at_once_wakes_all(self):
        waiting = [self.waiting("event", "e", n + 1, "wait", "e")
                   for n in range(3)]
        # On one connection, so that nothing comes between the two.
        ids = [self.rpc.send("event.set", event="e"),
               self.rpc.send("event.clear", event="e")]
        for id in ids:
            self.rpc.wait(id)
        for process in waiting:
            self.finish(process)
        self.ctl("event", "wait", "e", "--timeout", "0", status=75)

    def test_survives_a_restart(self):
        self.ctl("event", "set", "kept")
        process = self.waiting("event", "e", 1, "wait", "e")
        self.syncd.kill()
        self.syncd.start()
        self.rpc = self.client(self.syncd)
        self.ctl("event", "wait", "kept", "--timeout", "0")
        self.ctl("event", "set", "e")
        self.finish(process)

    def test_jobs_after_events(self):
        self.ctl("put", "q", "x", "--after", "one", "--after", "two")
        self.assertEqual(self.counts("q")["held"], 1)
        self.assertEqual(self.ctl("event", "show", "one", "--json")
                         .json["jobs"], 1)
        self.ctl("event", "set", "one")
        self.assertEqual(self.counts("q")["held"], 1)
        self.ctl("event", "set", "two")
        self.assertEqual(self.ctl("get", "q").json["body"], "x")

    def test_looking(self):
        self.assertEqual(self.ctl("event").out, "")
        self.ctl("event", "set", "done")
        first = self.waiting("event", "go", 1, "wait", "go")
        second = self.waiting("event", "go", 2, "wait", "go")
        lines = [line.split() for line in self.ctl("event").lines]
        self.assertEqual(lines[1], ["done", "set", "0", "0"])
        self.assertEqual(lines[2], ["go", "not", "set", "0", "2"])
        self.assertEqual(lines[4][:4], ["EVENT", "STATE", "PID", "USER"])
        self.assertEqual([line[:3] for line in lines[5:]],
                         [["go", "waits", str(p.pid)] for p in (first, second)])
        self.assertEqual(lines[5][-4:], ["syncctl", "event", "wait", "go"])
        shown = self.ctl("event", "show", "go").out
        self.assertRegex(shown, r"state +not set")
        self.assertIn(str(first.pid), shown)
        self.assertEqual(len(self.ctl("event", "list", "d").lines), 2)
        listed = self.ctl("event", "list", "--json").json
        self.assertEqual([event["event"] for event in listed], ["done", "go"])
        self.assertEqual(listed[1]["waiting"][0]["pid"], first.pid)
        self.assertEqual(self.ctl("event", "show", "never", "--json")
                         .json["set"], False)
        self.assertEqual(self.ctl("event", "set", "go", "--json").json, {})
        for process in (first, second):
            self.finish(process)

    def test_stages_are_set_by_their_batch(self):
        self.ctl("batch", "create", "b", "--stages", "a")
        for event, says in (("batch/no/a", "there is no batch no"),
                            ("batch/b/x", "the batch b has no stage x"),
                            ("batch/b/a", "syncctl batch show b")):
            ran = self.refused("event", "wait", event, "--timeout", "0",
                               status=75, says=says)
            self.assertNotIn("event set", ran.err)
            note = self.ctl("put", "q", "x", "--after", event).err
            self.assertEqual(says in note, event != "batch/b/a", note)
        self.assertEqual(self.ctl("put", "q", "x", "-q", "--after",
                                  "batch/no/a").err, "")

    def test_refusals(self):
        self.refused("event", "set", status=2, says="EVENT is missing")
        self.refused("event", "set", "batch/b/a", status=77,
                     says="set by their batch alone")
        self.refused("event", "wait", "", says='EVENT "" is not a name')
        self.refused("event", "fetched", status=2, says="no command")
        self.refused("event", "wait", "e", "--timeout", "soon", status=2,
                     says="no duration")


class Barriers(MeetCase):
    def party(self, count, *args, **options):
        """A party in the background, once it is the count-th there."""
        return self.waiting("barrier", "b", count, "b", *args, **options)

    def test_three_meet(self):
        first = self.party(1, "--parties", "3")
        second = self.party(2, "-n", "3", "--json")
        self.assertEqual(self.ctl("barrier", "b", "--parties", "3").out, "2\n")
        self.assertEqual(self.finish(first).out, "0\n")
        self.assertEqual(self.finish(second).json,
                         {"index": 1, "generation": 0})
        self.assertEqual(self.ctl("barrier").out, "")

    def test_a_name_that_is_a_command(self):
        for name in ("show", "list", "wait", "reset", "abort"):
            ran = self.ctl("barrier", "wait", name, "--parties", "1")
            self.assertEqual(ran.out, "0\n")
        self.assertEqual(self.ctl("barrier", "-n", "1", "b").out, "0\n")
        self.refused("barrier", "shwo", status=2, says="list show reset abort")

    def test_timeout_breaks_it_for_all(self):
        first = self.party(1, "--parties", "3")
        self.refused("barrier", "b", "--parties", "3", "--timeout", "10ms",
                     status=125, says="not all parties came in time")
        self.assertIn("syncctl barrier reset b",
                      self.finish(first, status=125).err)
        ran = self.refused("barrier", "b", "--parties", "3", status=125)
        self.assertEqual(ran.out, "")
        self.ctl("barrier", "reset", "b")
        self.assertEqual(self.ctl("barrier", "b", "-n", "1").out, "0\n")
        self.refused("barrier", "b", "-n", "2", "--timeout", "0", status=125)

    def test_a_party_that_dies_breaks_it(self):
        first = self.party(1, "--parties", "3")
        second = self.party(2, "--parties", "3")
        second.kill()
        self.assertIn("a party ended", self.finish(first, status=125).err)

    def test_abort_and_reset(self):
        first = self.party(1, "--parties", "2")
        self.ctl("barrier", "abort", "b")
        self.assertIn("aborted", self.finish(first, status=125).err)
        self.ctl("barrier", "reset", "b")
        first = self.party(1, "--parties", "2")
        self.assertEqual(self.ctl("barrier", "reset", "b", "--json").json, {})
        err = self.finish(first, status=125).err
        self.assertIn("was reset", err)
        self.assertNotIn("make it whole", err)
        self.ctl("barrier", "abort", "new")
        self.refused("barrier", "new", "-n", "2", status=125, says="aborted")

    def test_a_restart_breaks_it(self):
        first = self.party(1, "--parties", "2")
        self.ctl("event", "set", "e")  # what was before is on disk
        self.syncd.kill()
        self.syncd.start()
        self.assertIn("restarted", self.finish(first, status=125).err)
        self.refused("barrier", "b", "-n", "2", status=125, says="restarted")

    def test_the_action_runs_once_before_anyone_goes_on(self):
        fifo = self.fifo("fifo")
        script = 'echo acts >> "$T/ran"; read x < "$1"; echo "$2"'
        action = ["--parties", "3", "--timeout", "50ms",
                  "--action", "sh", "--", "-c", script, "_", fifo, "two words"]
        # The timeouts of those who wait stop when the last has come.
        patient = action[:2] + action[4:]
        first = self.party(1, *patient)
        second = self.party(2, *patient)
        last = self.start("barrier", "b", *action)
        self.wait_file("ran")
        shown = self.rpc.call("barrier.show", barrier="b")
        self.assertEqual(shown["waiters"], 0)
        self.assertEqual(shown["acting"][0]["pid"], last.pid)
        self.assertEqual(shown["acting"][0]["waiters"], 2)
        self.assertIn("acts", self.ctl("barrier", "show", "b").out)
        self.assertRegex(self.ctl("barrier").lines[1], r"^b +in action ")
        self.assertEqual([p.poll() for p in (first, second)], [None, None])
        self.open_fifo("fifo")
        ran = self.finish(last)
        self.assertEqual((ran.out, ran.err), ("2\n", "two words\n"))
        self.assertEqual(self.finish(first).out, "0\n")
        self.assertEqual(self.finish(second).out, "1\n")
        with open(self.path("ran")) as file:
            self.assertEqual(file.read(), "acts\n")

    def test_what_the_action_prints_is_no_output(self):
        ran = self.ctl("barrier", "b", "-n", "1", "--json", "--action", "echo",
                       "--", "merged")
        self.assertEqual(ran.json["index"], 0)
        self.assertEqual(ran.err, "merged\n")

    def test_an_action_that_fails_breaks_it(self):
        for action, says in ((["false"], "status 1"),
                             (["./no-such-command"], "no such command"),
                             (["sh", "--", "-c", "kill -9 $$"], "signal 9")):
            with self.subTest(action):
                first = self.party(1, "-n", "2")
                ran = self.ctl("barrier", "b", "-n", "2", "--action", *action,
                               status=125)
                self.assertIn(says, ran.err)
                self.assertEqual(ran.out, "")
                self.assertIn("aborted", self.finish(first, status=125).err)
                self.ctl("barrier", "reset", "b")

    def test_the_actor_dies(self):
        first = self.party(1, "-n", "2")
        actor = self.start("barrier", "b", "-n", "2", "--action", "sh", "--",
                           "-c", 'touch "$T/ran"; exec sleep 1000')
        self.wait_file("ran")
        actor.send_signal(signal.SIGTERM)
        self.assertIn("a party ended", self.finish(first, status=125).err)

    def test_an_abort_during_the_action(self):
        fifo = self.fifo("fifo")
        actor = self.start("barrier", "b", "-n", "1", "--action", "sh", "--",
                           "-c", 'touch "$T/ran"; read x < "$1"', "_", fifo)
        self.wait_file("ran")
        self.ctl("barrier", "abort", "b")
        self.open_fifo("fifo")
        ran = self.finish(actor, status=125)
        self.assertEqual(ran.out, "")
        self.assertIn("is over", ran.err)

    def test_looking(self):
        first = self.party(1, "--parties", "3")
        second = self.party(2, "--parties", "3")
        lines = [line.split() for line in self.ctl("barrier").lines]
        self.assertEqual(lines[0], ["BARRIER", "STATE", "PARTIES", "THERE",
                                    "MISSING", "GENERATION"])
        self.assertEqual(lines[1], ["b", "whole", "3", "2", "1", "0"])
        self.assertEqual([line[:3] for line in lines[4:]],
                         [["b", "waits", str(p.pid)] for p in (first, second)])
        self.assertEqual(lines[4][-3:], ["syncctl", "barrier", "b"])
        shown = self.ctl("barrier", "show", "b").out
        self.assertRegex(shown, r"missing +1\n")
        for process in (first, second):
            self.assertIn(str(process.pid), shown)
        listed = self.ctl("barrier", "list", "b", "--json").json
        self.assertEqual([w["pid"] for w in listed[0]["waiting"]],
                         [first.pid, second.pid])
        self.ctl("barrier", "abort", "b")
        self.assertIn("broken (aborted)", self.ctl("barrier", "show", "b").out)
        self.assertEqual(self.ctl("barrier", "list", "x").out, "")
        for process in (first, second):
            self.finish(process, status=125)

    def test_refusals(self):
        self.refused("barrier", "b", status=2, says="--parties N")
        self.refused("barrier", "b", "--parties", "0", status=2)
        self.refused("barrier", "b", "-n", "1", "--", "x", status=2,
                     says="--action COMMAND is missing")
        self.refused("barrier", "b", "c", "-n", "1", status=2,
                     says="too much")
        first = self.party(1, "-n", "2")
        self.refused("barrier", "b", "-n", "3", status=1, says="2 parties")
        self.ctl("barrier", "b", "-n", "2")
        self.finish(first)


if __name__ == "__main__":
    harness.main()
