#!/usr/bin/env python3
"""syncctl work: commands, outcomes, outputs, signals."""

import os
import signal
import subprocess

import harness
import syncctl_case


class WorkCase(syncctl_case.SyncctlCase):
    def put(self, *bodies, queue="q", **terms):
        return self.rpc.call("queue.put", queue=queue, bodies=list(bodies),
                             **terms)["ids"]

    def work(self, *args, **options):
        return self.ctl("work", "q", "--until-empty", *args, **options)

    def sh(self, script, *args, options=(), **more):
        return self.work(*options, "--", "sh", "-c", script, "sh", *args,
                         **more)

    def job(self, id=1):
        return self.rpc.call("job.show", id=id)

    def is_alive(self, pid):
        try:
            with open(f"/proc/{pid}/stat") as stat:
                return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
        except (FileNotFoundError, ProcessLookupError):
            return False


class Commands(WorkCase):
    def test_the_body_is_on_standard_input(self):
        bodies = ["text\nlines", {"a": [0.1]}, "", "ü\u0000", 5, None,
                  "x" * 300000]
        self.put(*bodies)
        out = self.sh("cat; echo '|'").out_bytes
        self.assertEqual(out, b"text\nlines|\n" + b'{"a": [0.1]}|\n' + b"|\n" +
                         "ü\0|\n".encode() + b"5|\nnull|\n" + b"x" * 300000 +
                         b"|\n")
        self.assertEqual(self.show("q")["unfinished"], 0)

    def test_braces_are_the_body(self):
        self.put("it's $HOME", {"a": 1})
        ran = self.sh('printf "%s,%s," "$1" "$2"; cat; echo', "{}", "<{}{}>")
        self.assertEqual(ran.lines,
                         ["it's $HOME,<it's $HOMEit's $HOME>,it's $HOME",
                          '{"a": 1},<{"a": 1}{"a": 1}>,{"a": 1}'])

    def test_the_story_of_numbers(self):
        self.ctl("put", "q", "--lines", input="1\n2\n3\n")
        ran = self.work("-j", "4", "--", "sh", "-c", "echo $((2 * $1))", "_",
                        "{}")
        self.assertEqual(sorted(ran.lines), ["2", "4", "6"])
        self.ctl("join", "q")

    def test_environment(self):
        self.put("x", queue="a b")
        ran = self.ctl("work", "a b", "--once", "--", "env",
                       env={"SYNCD_OWNER": "me", "SYNCD_BATCH": "old"})
        env = dict(line.split("=", 1) for line in ran.lines if "=" in line)
        job = {key: env.get(f"SYNCD_{key}") for key in
               ("JOB", "QUEUE", "ATTEMPT", "SLOT", "SOCKET", "BATCH", "STAGE")}
        self.assertEqual(job, {"JOB": "1", "QUEUE": "a b", "ATTEMPT": "1",
                               "SLOT": "1", "SOCKET": self.syncd.socket_path,
                               "BATCH": None, "STAGE": None})
        self.assertRegex(env["SYNCD_TOKEN"], r"^\d+$")
        self.assertRegex(env["SYNCD_OWNER"], r"^me/[0-9a-f]{12}$")
        self.put("x")
        ran = self.ctl("work", "q", "--once", "--", "sh", "-c",
                       "echo $SYNCD_OWNER")
        self.assertRegex(ran.out, r"^\d+/[0-9a-f]{12}$")

    def test_slots_are_numbered_from_1(self):
        self.put(*range(3))
        for slot in (1, 2, 3):
            self.fifo(f"go.{slot}")
        worker = self.start("work", "q", "-j", "3", "--until-empty", "--", "sh",
                            "-c", "echo > $T/slot.$SYNCD_SLOT; "
                            "read x < $T/go.$SYNCD_SLOT")
        for slot in (1, 2, 3):
            self.wait_file(f"slot.{slot}")
        self.assertEqual(self.counts("q")["running"], 3)
        for slot in (1, 2, 3):
            self.open_fifo(f"go.{slot}")
        self.finish(worker)

    def test_without_a_command_bodies_are_printed(self):
        self.put("text", {"a": 1}, 0.5)
        self.assertEqual(self.work().out, 'text\n{"a": 1}\n0.5\n')
        self.put("text")
        self.assertEqual(self.work("--json").out, '"text"\n')
        self.put("1", "2")
        self.assertEqual(self.ctl("work", "q", "--once").out, "1\n")
        self.assertEqual(self.show("q")["unfinished"], 1)

    def test_what_could_not_be_printed_comes_back(self):
        self.put("x")
        with open("/dev/full", "w") as full:
            self.refused("work", "q", status=1, stdout=full,
                         says="standard output")
        self.wait_counts("q", ready=1)
        self.assertEqual(self.job()["attempts"], 0)

    def test_standard_streams_of_a_command_are_no_more_than_three(self):
        self.put("x")
        ran = self.work("--", "ls", "/proc/self/fd")
        self.assertLessEqual(len(ran.lines), 4, ran.out)  # and ls's own

    def test_signals_are_as_they_were(self):
        self.put("x")
        ran = self.work("--", "grep", "-E", "Sig(Blk|Ign)",
                        "/proc/self/status")
        for line in ran.lines:
            mask = int(line.split()[1], 16)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
                self.assertFalse(mask >> (number - 1) & 1, ran.out)


class Outcomes(WorkCase):
    def test_0_is_done(self):
        self.put("x", keep_done=60)
        self.sh("echo out; echo err >&2")
        self.assertEqual(self.job()["state"], "done")
        self.assertNotIn("result", self.job())

    def test_other_is_another_try(self):
        self.put("x")
        ran = self.sh("echo why >&2; exit 3")
        job = self.job()
        self.assertEqual((job["state"], job["attempts"]), ("delayed", 1))
        self.assertEqual(job["error"], {"exit": 3, "stderr": "why\n"})
        self.assertIn("job 1 exited with status 3 at try 1: next try", ran.err)
        self.assertIn("why\n", ran.err)

    def test_65_is_dead(self):
        self.put("x")
        ran = self.sh("exit 65")
        self.assertEqual(self.job()["state"], "dead")
        self.assertEqual(self.job()["error"], {"exit": 65})
        self.assertIn("it is dead", ran.err)

    def test_75_does_not_count(self):
        self.put("x")
        self.sh("exit 75")
        self.assertEqual((self.job()["state"], self.job()["attempts"]),
                         ("delayed", 0))

    def test_a_signal(self):
        self.put("x")
        ran = self.sh("kill -ABRT $$")
        self.assertEqual(self.job()["error"], {"signal": 6})
        self.assertIn("signal 6", ran.err)

    def test_dead_after_the_last_try(self):
        self.ctl("queue", "set", "q", "--backoff", "0", "--max-attempts", "3")
        self.put("x")
        ran = self.sh("echo try $SYNCD_ATTEMPT; exit 1")
        self.assertEqual(ran.lines, ["try 1", "try 2", "try 3"])
        self.assertEqual(self.job()["state"], "dead")

    def test_the_last_4_kib_of_standard_error(self):
        self.put("x")
        self.sh("i=0; while [ $i -lt 2000 ]; do echo \"ü line $i\" >&2; "
                "i=$((i + 1)); done; exit 1")
        kept = self.job()["error"]["stderr"]
        self.assertTrue(kept.endswith("line 1999\n"))
        self.assertLessEqual(len(kept.encode()), 4096)
        self.assertGreater(len(kept.encode()), 4000)
        self.assertNotIn("\ufffd", kept)

    def test_result(self):
        results = [("echo ' [1, 0.10] '", [1, 0.10]), ("echo two; echo lines",
                   "two\nlines"), ("printf 'a\\377b'", "a\ufffdb")]
        for script, result in results:
            id = self.put("x", keep_done=60)[0]
            ran = self.sh(script, options=["--result"])
            self.assertEqual(self.job(id)["result"], result)
            self.assertNotEqual(ran.out_bytes, b"")
        id = self.put("x", keep_done=60)[0]
        ran = self.sh("yes | head -c 200000", options=["--result"])
        self.assertEqual(self.job(id)["result"], ("y\n" * 100000)[:65535])
        self.assertEqual(len(ran.out_bytes), 200000)

    def test_once_exits_as_the_command_did(self):
        for script, status in (("exit 0", 0), ("exit 7", 7), ("exit 65", 65),
                               ("kill -9 $$", 137)):
            self.put("x")
            self.ctl("work", "q", "--once", "--", "sh", "-c", script,
                     status=status)
        self.rpc.call("queue.purge", queue="q",
                      states=["ready", "delayed", "dead"])
        self.ctl("work", "q", "--once", "--until-empty", "--", "true",
                 status=75)

    def test_timeout_is_term_then_kill_of_the_whole_group(self):
        self.put("x", max_attempts=1)
        script = ("trap 'echo > $T/termed' TERM; sh -c 'trap \"\" TERM; "
                  "echo $$ > $T/pid; while :; do sleep 1000 & wait; done' & "
                  "while :; do wait; done")
        ran = self.ctl("work", "q", "--once", "--timeout", "300ms",
                       "--kill-after", "200ms", "--", "sh", "-c", script,
                       status=124)
        self.assertTrue(os.path.exists(self.path("termed")))
        self.assertEqual(self.job()["error"]["timeout"], 0.3)
        self.assertEqual(self.job()["error"]["signal"], 9)
        self.assertIn("took longer than 300 ms", ran.err)
        with open(self.path("pid")) as file:
            pid = int(file.read())
        self.wait_until(lambda: not self.is_alive(pid), "its child's end")

    def test_a_command_that_is_not_there_stops_with_127(self):
        self.put("x", "y")
        ran = self.refused("work", "q", "-j", "2", "--", "no-such-command-",
                           status=127, says="there is no such command")
        self.assertIn("no-such-command-", ran.err)
        self.wait_counts("q", ready=2)
        self.assertEqual(self.job()["attempts"], 0)

    def test_a_command_that_cannot_be_run_stops_with_126(self):
        self.put("x")
        self.write("plain", "text")
        self.refused("work", "q", "--", self.path("plain"), status=126,
                     says="plain")
        self.refused("work", "q", "--", self.directory, status=126)
        self.assertEqual(self.job()["attempts"], 0)

    def test_a_body_too_long_for_an_argument_is_dead(self):
        self.put("x" * 200000, "nul\u0000", "fine")
        ran = self.sh('echo "$1"', "{}")
        self.assertEqual(ran.out, "fine\n")
        self.assertIn("too long for an argument", ran.err)
        self.assertEqual(self.job(1)["state"], "dead")
        self.assertIn("too long for an argument", self.job(1)["error"])
        self.assertIn("NUL", self.job(2)["error"])

    def test_cancelled_while_it_runs(self):
        self.put("x")
        worker = self.start("work", "q", "--lease", "600ms", "--", "sh", "-c",
                            "echo > $T/runs; sleep 1000")
        self.wait_file("runs")
        self.ctl("job", "cancel", "1")
        self.put("next")
        self.wait_until(lambda: self.counts("q")["running"] == 1, "the next")
        self.assertIn("job 1 is ours no more",
                      worker.stderr.readline().decode())
        worker.send_signal(signal.SIGTERM)
        self.assertIn("waiting for 1 to end",
                      worker.stderr.readline().decode())
        worker.send_signal(signal.SIGTERM)
        self.finish(worker, status=143)


class Outputs(WorkCase):
    # Two commands that write in turns: each waits for the other.
    TURNS = """
        one() { echo "1$1"; echo "e1$1" >&2; }
        if [ "$1" = a ]; then
            echo a1; echo > $T/b; read x < $T/a; echo a2
        else
            read x < $T/b; echo b1; echo > $T/a; echo b2
        fi"""

    def turns(self, *options):
        self.fifo("a")
        self.fifo("b")
        self.put("a", "b")
        return self.sh(self.TURNS, "{}", options=["-j", "2", *options]).lines

    def test_grouped_by_job(self):
        lines = self.turns()
        self.assertIn(lines, (["a1", "a2", "b1", "b2"],
                              ["b1", "b2", "a1", "a2"]))

    def test_line_buffer_mixes(self):
        """Each line is out before the next one is written: of lines that two
        commands wrote before the worker looked, either may come first."""
        lines = ("a1", "b1", "b2", "a2")
        for line in lines:
            self.fifo(line)
        self.put("a", "b")
        worker = self.start(
            "work", "q", "--until-empty", "-j", "2", "--line-buffer", "--",
            "sh", "-c", "for n in 1 2; do read x < $T/$1$n; echo $1$n; done",
            "sh", "{}")
        for line in lines:
            self.open_fifo(line)
            self.assertEqual(worker.stdout.readline().decode(), line + "\n")
        self.finish(worker)

    def test_much_output_of_several(self):
        self.put("a", "b", "c")
        ran = self.sh("yes $1 | head -c 6000000", "{}", options=["-j", "3"])
        self.assertEqual(len(ran.out_bytes), 18000000)
        self.assertEqual(sum(1 for a, b in zip(ran.lines, ran.lines[1:])
                             if a != b), 2)

    def test_one_at_a_time_passes_through(self):
        self.fifo("go")
        self.put("x")
        worker = self.start("work", "q", "--once", "--", "sh", "-c",
                            "echo first; read x < $T/go; echo second")
        self.assertEqual(worker.stdout.readline(), b"first\n")
        self.open_fifo("go")
        self.assertEqual(self.finish(worker).out, "second\n")

    def test_what_lives_on_in_the_background_does_not_hold_it_up(self):
        self.put("x")
        ran = self.sh("sleep 1000 & echo $!", options=["--result"])
        os.kill(int(ran.out), signal.SIGKILL)


class Ends(WorkCase):
    def test_until_closed(self):
        self.put("a", "b")
        worker = self.start("work", "q", "--until-closed", "--", "cat")
        self.wait_counts("q", ready=0, running=0)
        self.ctl("queue", "close", "q")
        ran = self.finish(worker)
        self.assertEqual((ran.out, ran.err), ("ab", ""))

    def test_closed_is_said_otherwise(self):
        self.rpc.call("queue.declare", queue="q")
        self.ctl("queue", "close", "q")
        ran = self.ctl("work", "q", "--", "cat")
        self.assertIn('"q" is closed', ran.err)

    def test_deleted_is_an_error(self):
        worker = self.start("work", "q", "--", "cat")
        self.wait_until(lambda: self.ctl("queue", "--json").json, "the queue")
        self.wait_waiting("q", get=1)
        self.ctl("queue", "delete", "q", "--force")
        self.assertIn("q", self.finish(worker, status=1).err)

    def test_the_first_signal_lets_commands_finish(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            queue = f"q{number}"
            for body in "ab":
                self.fifo(f"go{number}.{body}")
            self.put("a", "b", "c", queue=queue, keep_done=60)
            worker = self.start("work", queue, "-j", "2", "--", "sh", "-c",
                                f"echo > $T/{queue}.$1; "
                                f"read x < $T/go{number}.$1; echo $1", "_",
                                "{}")
            self.wait_file(f"{queue}.a")
            self.wait_file(f"{queue}.b")
            worker.send_signal(number)
            line = worker.stderr.readline().decode()
            self.assertIn("waiting for 2 to end", line)
            for body in "ab":
                self.open_fifo(f"go{number}.{body}")
            ran = self.finish(worker)
            self.assertEqual(sorted(ran.lines), ["a", "b"])
            self.assertEqual(self.counts(queue)["done"], 2)
            self.assertEqual(self.counts(queue)["ready"], 1)

    def test_a_signal_while_it_waits_ends_it_at_once(self):
        for options in ((), ("--", "cat")):
            worker = self.start("work", "q", *options)
            self.wait_until(lambda: self.ctl("queue", "--json").json, "q")
            self.wait_waiting("q", get=1)
            worker.send_signal(signal.SIGTERM)
            self.assertEqual(self.finish(worker).err, "")

    def test_the_second_signal_gives_back_without_counting(self):
        self.put("a", "b")
        worker = self.start("work", "q", "-j", "2", "--", "sh", "-c",
                            "echo > $T/runs.$SYNCD_SLOT; sleep 1000")
        self.wait_file("runs.1")
        self.wait_file("runs.2")
        worker.send_signal(signal.SIGINT)
        worker.stderr.readline()
        worker.send_signal(signal.SIGINT)
        self.finish(worker, status=130)
        self.assertEqual(self.counts("q")["ready"], 2)
        for id in (1, 2):
            self.assertEqual((self.job(id)["attempts"],
                              self.job(id)["crashes"]), (0, 0))

    def test_killed_its_commands_die_and_the_jobs_come_back(self):
        self.put("a")
        worker = self.start("work", "q", "--", "sh", "-c",
                            "echo $$ > $T/pid.new; mv $T/pid.new $T/pid; "
                            "exec sleep 1000")
        self.wait_file("pid")
        worker.kill()
        worker.wait()
        with open(self.path("pid")) as file:
            pid = int(file.read())
        self.wait_until(lambda: not self.is_alive(pid), "its end")
        self.wait_counts("q", ready=1, running=0)

    def test_the_lease_is_kept_while_the_command_lives(self):
        self.fifo("go")
        self.put("a", lease=0.3)
        worker = self.start("work", "q", "--once", "--", "sh", "-c",
                            "echo > $T/runs; read x < $T/go")
        self.wait_file("runs")
        until = self.job()["until"]
        self.wait_until(lambda: self.job()["until"] > until + 1, "extension")
        self.assertEqual(self.job()["state"], "running")
        self.open_fifo("go")
        self.finish(worker)
        self.assertEqual(self.show("q")["unfinished"], 0)

    def test_a_stopped_worker_loses_its_lease_and_says_so(self):
        self.put("a", lease=0.3, max_attempts=0)
        worker = self.start("work", "q", "--", "sh", "-c",
                            "echo > $T/runs; sleep 1000")
        self.wait_file("runs")
        worker.send_signal(signal.SIGSTOP)
        self.wait_counts("q", ready=1, running=0)
        other = self.ctl("get", "q", "--take").json
        self.assertEqual(other["attempt"], 2)
        worker.send_signal(signal.SIGCONT)
        self.assertIn("ours no more", worker.stderr.readline().decode())
        worker.send_signal(signal.SIGTERM)
        self.finish(worker)


class Restart(WorkCase):
    """The daemon goes away in the middle, and comes back."""

    def test_a_command_goes_on_over_a_kill(self):
        self.fifo("go")
        self.put("a", keep_done=60)
        worker = self.start("work", "q", "--once", "--", "sh", "-c",
                            "echo > $T/runs; read x < $T/go; echo end")
        self.wait_file("runs")
        self.syncd.kill()
        self.syncd.start()
        self.rpc = self.client(self.syncd)
        self.open_fifo("go")
        self.assertEqual(self.finish(worker).out, "end\n")
        job = self.job()
        self.assertEqual((job["state"], job["attempts"], job["crashes"]),
                         ("done", 1, 0))

    def test_waiting_workers_and_putters_go_on(self):
        self.ctl("queue", "set", "q", "--capacity", "10")
        putter = self.start("put", "q", "--lines", stdin=subprocess.PIPE)
        putter.stdin.write("".join(f"{n}\n" for n in range(60)).encode())
        putter.stdin.close()
        putter.stdin = None
        self.wait_waiting("q", put=1)
        self.syncd.kill()
        self.syncd.start()
        self.rpc = self.client(self.syncd)
        worker = self.start("work", "q", "--until-closed", "--", "sh", "-c",
                            "cat; echo")
        for _ in range(3):
            line = worker.stdout.readline()
            self.syncd.kill()
            self.syncd.start()
            self.assertTrue(line)
        self.rpc = self.client(self.syncd)
        self.assertEqual(len(self.finish(putter).lines), 60)
        self.ctl("queue", "close", "q")
        rest = self.finish(worker).lines
        # What ran when the daemon died kept its lease, so nothing ran twice.
        self.assertEqual([int(n) for n in rest], list(range(3, 60)))

    def test_a_command_that_ends_while_the_daemon_is_away(self):
        self.put("a", keep_done=60)
        worker = self.start("work", "q", "--once", "--", "sh", "-c",
                            "echo > $T/runs; while [ ! -e $T/go ]; do sleep "
                            "0.05; done; echo > $T/ended")
        self.wait_file("runs")
        self.syncd.kill()
        self.write("go", "")
        self.wait_file("ended")
        self.syncd.start()
        self.rpc = self.client(self.syncd)
        self.finish(worker)
        self.assertEqual(self.job()["state"], "done")

    def test_stop_and_start_in_good_order(self):
        self.put("a")
        worker = self.start("work", "q", "--until-closed")
        self.assertEqual(worker.stdout.readline(), b"a\n")
        self.syncd.restart()
        self.rpc = self.client(self.syncd)
        self.put("b")
        self.assertEqual(worker.stdout.readline(), b"b\n")
        self.ctl("queue", "close", "q")
        self.finish(worker)


class Forgotten(WorkCase):
    """A daemon that keeps nothing: the session is lost with it."""

    store = "memory"

    def test_commands_are_ended_and_the_worker_goes_on(self):
        self.put("a")
        worker = self.start("work", "q", "--", "sh", "-c",
                            '[ "$1" = b ] || { echo > $T/runs; sleep 1000; }; '
                            "echo $1", "_", "{}")
        self.wait_file("runs")
        self.syncd.kill()
        self.syncd.start()
        self.rpc = self.client(self.syncd)
        self.assertIn("ours no more", worker.stderr.readline().decode())
        self.put("b")
        self.assertEqual(worker.stdout.readline(), b"b\n")
        worker.send_signal(signal.SIGTERM)
        self.finish(worker)


class Exercise(WorkCase):
    """Capacity 5, producers of 20 items each, consumers in the background."""

    def test_the_classic_exercise(self):
        self.ctl("queue", "set", "q", "--capacity", "5")
        workers = [self.start("work", "q", "--until-closed", "--", "sh", "-c",
                              "echo $1", "_", "{}") for _ in range(2)]
        producers = []
        for name in "ab":
            producer = self.start("put", "q", "--lines", "-q",
                                  stdin=subprocess.PIPE)
            text = "".join(f"{name}{n}\n" for n in range(20))
            producer.stdin.write(text.encode())
            producer.stdin.close()
            producer.stdin = None
            producers.append(producer)
        while any(producer.poll() is None for producer in producers):
            self.assertLessEqual(self.counts("q")["ready"], 5)
        for producer in producers:
            self.finish(producer)
        self.ctl("join", "q")
        self.ctl("queue", "close", "q")
        items = [line for worker in workers
                 for line in self.finish(worker).lines]
        self.assertEqual(sorted(items), sorted(f"{name}{n}" for name in "ab"
                                               for n in range(20)))


if __name__ == "__main__":
    harness.main()
