#!/usr/bin/env python3
"""syncctl put and join: bodies, many lines, a full queue, a terminal."""

import os
import signal
import subprocess

import harness
import syncctl_case
import terminal_case


def lines_of(numbers):
    return "".join(f"{n}\n" for n in numbers)


class Bodies(syncctl_case.SyncctlCase):
    def body(self, *args, **options):
        """What the daemon has after a put, as the bytes of its JSON."""
        id = self.ctl("put", "q", *args, **options).out.strip()
        shown = self.ctl("call", "job.show", f'{{"id":{id}}}').out
        return shown[shown.index('"body":') + 7:shown.rindex("}")]

    def test_json_else_a_string(self):
        bodies = {
            '{"to":"ada@example.org"}': '{"to":"ada@example.org"}',
            "0.1": "0.1",
            "12345678901234567890": "12345678901234567890",
            '"\\u0000"': '"\\u0000"',
            "null": "null",
            " [1, 2] ": "[1, 2]",
            "hello": '"hello"',
            "": '""',
            "{oops": '"{oops"',
            "01": '"01"',
            "NaN": '"NaN"',
            "ü\n": '"ü\\n"',
        }
        for given, kept in bodies.items():
            with self.subTest(given=given):
                self.assertEqual(self.body("--", given), kept)

    def test_string_forces_one(self):
        self.assertEqual(self.body("--string", "5"), '"5"')

    def test_standard_input_whole(self):
        self.assertEqual(self.body("-", input='{\n  "a": [1,\n\t"x  y"]\n}\n'),
                         '{"a": [1,"x  y"]}')
        self.assertEqual(self.body("-", input="two\nlines\n"),
                         '"two\\nlines\\n"')
        big = "x" * 3000000
        self.assertEqual(self.body("-", input=big), f'"{big}"')

    def test_not_utf8_is_refused(self):
        self.refused("put", "q", "-", input=b"\xff", status=1, says="UTF-8")
        self.refused("put", "q", b"\xff", status=1, says="UTF-8")
        self.assertEqual(self.ctl("queue", "--json").json, [])

    def test_too_long_is_refused(self):
        self.refused("put", "q", "-", input="x" * 5000000, status=1,
                     says="max_message")

    def test_terms(self):
        self.ctl("put", "q", "late", "--delay", "1h", "--priority", "-2.5",
                 "--max-attempts", "9", "--lease", "5m", "--keep-done", "1h")
        job = self.rpc.call("job.show", id=1)
        self.assertEqual((job["state"], job["priority"]), ("delayed", -2.5))
        self.ctl("put", "q", "x", "--lease", "5m")
        self.assertEqual(self.ctl("get", "q").json["lease"], 300)

    def test_key(self):
        self.assertEqual(self.ctl("put", "q", "x", "--key", "k").out, "1\n")
        self.assertEqual(self.ctl("put", "q", "y", "--key", "k").out, "1\n")
        ran = self.ctl("put", "q", "y", "--key", "k", "--json")
        self.assertEqual(ran.json, {"id": 1, "duplicate": True})
        self.assertEqual(self.ctl("put", "q", "y", "--key", "k", "-q").out, "")


class Lines(syncctl_case.SyncctlCase):
    def bodies(self, queue="q"):
        """All that is in the queue, in the order of delivery."""
        jobs = self.rpc.call("queue.get", queue=queue, max=100000,
                             timeout=0)["jobs"]
        return [job["body"] for job in jobs]

    def worker(self):
        """Prints what it takes into a file, until the queue is closed."""
        with open(self.path("taken"), "w") as file:
            return self.start("work", "q", "--until-closed", stdout=file)

    def taken_by(self, worker):
        self.ctl("queue", "close", "q")
        self.finish(worker)
        with open(self.path("taken")) as file:
            return file.read().splitlines()

    def test_lines_null_jsonl(self):
        ran = self.ctl("put", "q", "--lines", input='a\n\n"b"\n5\nlast')
        self.assertEqual(ran.lines, ["1", "2", "3", "4", "5"])
        self.assertEqual(self.bodies(), ["a", "", '"b"', "5", "last"])
        self.ctl("put", "q", "-0", input="a\nb\0\0c\r\0")
        self.assertEqual(self.bodies(), ["a\nb", "", "c\r"])
        ran = self.ctl("put", "q", "--jsonl", "--json", "-",
                       input='{"a":1}\n\n  \n 0.1 \r\n"x"')
        self.assertEqual(ran.lines, ['{"id":9}', '{"id":10}', '{"id":11}'])
        self.assertEqual(self.bodies(), [{"a": 1}, 0.1, "x"])
        self.assertEqual(self.ctl("put", "q", "--lines", input="").out, "")

    def test_bad_lines_are_named_and_what_was_before_stands(self):
        ran = self.ctl("put", "q", "--lines", input=b"a\nb\n\xff\nd\n",
                       status=1)
        self.assertIn("line 3 is not UTF-8", ran.err)
        self.assertIn("2 jobs are put, up to line 2", ran.err)
        self.assertIn("mend line 3, then go on with: tail -n +3", ran.err)
        self.assertEqual(self.bodies(), ["a", "b"])
        ran = self.ctl("put", "q", "--jsonl", input="1\n\n{\n4\n", status=1)
        self.assertIn("line 3 is not JSON", ran.err)
        self.assertEqual(self.bodies(), [1])
        ran = self.ctl("put", "q", "--lines", input="a\n" + "x" * 5000000,
                       status=1)
        self.assertIn("line 2", ran.err)
        self.assertIn("max_message", ran.err)
        self.assertIn("1 job is put, up to line 1; mend line 2", ran.err)
        self.assertEqual(self.bodies(), ["a"])

    def test_too_deep_is_no_string(self):
        def nested(levels):
            return "[" * levels + "]" * levels
        self.ctl("put", "q", nested(62))
        self.ctl("put", "q", "--jsonl", input=nested(61))
        self.ctl("put", "q", nested(63)[:-1])  # no JSON: a string
        self.ctl("put", "q", nested(63), "--string")
        for levels in (63, 100, 3000):
            self.refused("put", "q", "-", input=nested(levels), status=1,
                         says="nested deeper than 62 levels")
            ran = self.ctl("put", "q", "--jsonl", input="1\n" + nested(levels),
                           status=1)
            self.assertIn("line 2 is nested deeper than 61 levels", ran.err)
        self.assertEqual(len(self.bodies()), 7)

    def test_100000_lines_in_order_through_a_small_queue(self):
        self.ctl("queue", "set", "q", "--capacity", "1000")
        numbers = range(100000)
        given = lines_of(numbers)
        worker = self.worker()
        putter = self.start("put", "q", "--lines", stdin=subprocess.PIPE,
                            stdout=subprocess.DEVNULL)
        self.finish(putter, input=given.encode())
        self.assertEqual(self.taken_by(worker), given.splitlines())
        self.ctl("join", "q")

    def test_more_lines_than_the_queue_can_hold(self):
        self.ctl("queue", "set", "q", "--capacity", "5")
        putter = self.start("put", "q", "--lines", stdin=subprocess.PIPE)
        putter.stdin.write(lines_of(range(20)).encode())
        putter.stdin.close()
        putter.stdin = None
        self.wait_waiting("q", put=1)
        self.assertEqual(self.counts("q")["ready"], 5)
        taken = []
        while len(taken) < 20:
            jobs = self.rpc.call("queue.get", queue="q", take=True)["jobs"]
            taken += [int(job["body"]) for job in jobs]
            self.assertLessEqual(self.counts("q")["ready"], 5)
        self.assertEqual(taken, list(range(20)))
        self.assertEqual(len(self.finish(putter).lines), 20)

    def test_a_queue_made_smaller_meanwhile(self):
        putter = self.start("put", "q", "--lines", stdin=subprocess.PIPE,
                            stdout=subprocess.DEVNULL)
        putter.stdin.write(b"0\n")
        putter.stdin.flush()
        self.rpc.call("queue.get", queue="q", take=True)
        self.ctl("queue", "set", "q", "--capacity", "10")
        putter.stdin.write(lines_of(range(1, 2000)).encode())
        putter.stdin.close()
        putter.stdin = None
        taken = [0]
        while len(taken) < 2000:
            jobs = self.rpc.call("queue.get", queue="q", take=True,
                                 max=10)["jobs"]
            taken += [int(job["body"]) for job in jobs]
        self.assertEqual(taken, list(range(2000)))
        self.finish(putter)

    def test_lines_that_come_one_by_one_go_at_once(self):
        putter = self.start("put", "q", "--lines", stdin=subprocess.PIPE)
        for word in ("one", "two"):
            putter.stdin.write(f"{word}\n".encode())
            putter.stdin.flush()
            job = self.rpc.call("queue.get", queue="q", take=True)["jobs"][0]
            self.assertEqual(job["body"], word)
        self.finish(putter)

    def interrupt(self, *args, at_line, says):
        self.ctl("queue", "set", "q", "--capacity", "4")
        putter = self.start("put", "q", *args, stdin=subprocess.PIPE)
        end = "\0" if "-0" in args else "\n"
        putter.stdin.write("".join(f"{n}{end}" for n in range(50)).encode())
        putter.stdin.flush()
        self.wait_waiting("q", put=1)
        putter.send_signal(signal.SIGINT)
        ran = self.finish(putter, status=130)
        self.assertIn(f"{at_line} jobs are put, up to line {at_line}", ran.err)
        self.assertIn(says, ran.err)
        self.assertEqual(self.bodies(), [str(n) for n in range(at_line)])

    def test_interrupted_it_says_how_to_go_on(self):
        self.interrupt("--lines", at_line=4, says="tail -n +5 FILE | syncctl "
                       "put q --lines")

    def test_interrupted_with_null(self):
        self.interrupt("-0", at_line=4, says="tail -z -n +5 FILE")

    def test_interrupted_while_it_reads(self):
        putter = self.start("put", "q", "--lines", stdin=subprocess.PIPE)
        putter.stdin.write(b"a\nb\npart")
        putter.stdin.flush()
        self.wait_until(lambda: self.ctl("queue", "--json").json and
                        self.counts("q")["ready"] == 2, "both are put")
        putter.send_signal(signal.SIGTERM)
        ran = self.finish(putter, status=143)
        # Here the input ends at the same moment: half a line is no job.
        self.assertIn("2 jobs are put, up to line 2", ran.err)
        self.assertEqual(self.bodies(), ["a", "b"])

    def test_no_room_in_time(self):
        self.ctl("queue", "set", "q", "--capacity", "4")
        ran = self.ctl("put", "q", "--lines", "--timeout", "0",
                       input=lines_of(range(9)), status=75)
        self.assertIn("4 jobs are put, up to line 4", ran.err)
        ran = self.ctl("put", "q", "--lines", "--timeout", "10ms",
                       input=lines_of(range(9)), status=124)
        self.assertIn("0 jobs are put", ran.err)

    def test_closed_meanwhile(self):
        self.ctl("queue", "set", "q", "--capacity", "4")
        putter = self.start("put", "q", "--lines", stdin=subprocess.PIPE)
        putter.stdin.write(lines_of(range(50)).encode())
        putter.stdin.flush()
        self.wait_waiting("q", put=1)
        self.ctl("queue", "close", "q")
        ran = self.finish(putter, status=1)
        self.assertIn("4 jobs are put, up to line 4", ran.err)

    def test_two_producers_one_consumer_each_in_order(self):
        self.ctl("queue", "set", "q", "--capacity", "500")
        worker = self.worker()
        putters = []
        for name in "ab":
            text = "".join(f"{name}{n}\n" for n in range(10000))
            path = self.write(name, text)
            with open(path) as file:
                putters.append(self.start("put", "q", "--lines", stdin=file,
                                          stdout=subprocess.DEVNULL))
        for putter in putters:
            self.finish(putter)
        lines = self.taken_by(worker)
        for name in "ab":
            self.assertEqual([line for line in lines if line[0] == name],
                             [f"{name}{n}" for n in range(10000)])
        self.assertEqual(len(lines), 20000)


class Join(syncctl_case.SyncctlCase):
    def test_join_waits_for_all(self):
        self.rpc.call("queue.put", queue="q", bodies=[1, 2])
        joiner = self.start("join", "q")
        self.wait_waiting("q", join=1)
        self.ctl("work", "q", "--once")
        self.assertIsNone(joiner.poll())
        self.ctl("work", "q", "--once")
        self.finish(joiner)

    def test_a_queue_that_is_not_there(self):
        ran = self.ctl("join", "nubmers")
        self.assertEqual(ran.err, "syncctl: join: there is no queue nubmers: "
                                  "nothing to wait for\n")
        self.assertEqual(self.ctl("join", "nubmers", "--quiet").err, "")

    def test_dead_jobs_are_said(self):
        self.ctl("put", "q", "x", "--max-attempts", "1")
        self.ctl("work", "q", "--once", "--", "false", status=1)
        self.refused("join", "q", status=1, says="1 job of \"q\" is dead")
        ran = self.ctl("join", "q", "--json", status=1)
        self.assertEqual(ran.json, {"joined": True, "dead": 1})


class Wait(syncctl_case.SyncctlCase):
    def put_wait(self, *command, status=0, put=()):
        worker = self.start("work", "q", "--result", "--once", "--", *command)
        ran = self.ctl("put", "q", "x", "--wait", "--max-attempts", "1", *put,
                       status=status)
        self.finish(worker, status=None)
        return ran

    def test_result(self):
        self.assertEqual(self.put_wait("echo", "two words").out, "two words\n")
        self.assertEqual(self.put_wait("echo", '{"a": 0.10}').out,
                         '{"a": 0.10}\n')
        self.assertEqual(self.put_wait("true").out, "")
        self.assertEqual(self.put_wait("printf", "a\\377b").out,
                         "a\ufffdb\n")
        ran = self.put_wait("echo", "7", put=["--json"])
        self.assertEqual(ran.json, {"state": "done", "result": 7})

    def test_exits_as_the_job_did(self):
        ran = self.put_wait("sh", "-c", "echo why >&2; exit 7", status=7)
        self.assertEqual(ran.err.splitlines()[0], "why")
        self.assertIn("status 7", ran.err)
        self.put_wait("sh", "-c", "kill -9 $$", status=137)
        self.put_wait("sh", "-c", "exit 65", status=65)

    def test_cancelled(self):
        putter = self.start("put", "q", "x", "--wait")
        self.wait_until(lambda: self.ctl("job", "--json").json, "the job")
        self.ctl("job", "cancel", "1")
        self.assertIn("cancelled", self.finish(putter, status=1).err)

    def test_timeout(self):
        self.refused("put", "q", "x", "--wait", "--timeout", "10ms",
                     status=124, says="syncctl job wait 1")

    def test_job_wait(self):
        self.ctl("put", "q", "x", "--keep-done", "1h")
        waiter = self.start("job", "wait", "1")
        job = self.ctl("get", "q").json
        self.ctl("done", "1", str(job["token"]), "--result", "fine")
        self.assertEqual(self.finish(waiter).out, "fine\n")
        self.assertEqual(self.ctl("job", "wait", "1").out, "fine\n")

    def test_an_exception_of_a_python_worker(self):
        putter = self.start("put", "q", "x", "--wait")
        job = self.rpc.call("queue.get", queue="q")["jobs"][0]
        self.rpc.call("queue.fail", id=job["id"], token=job["token"], dead=True,
                      error={"type": "ValueError", "message": "no such user",
                             "traceback": "Traceback ...\n  line\n"})
        self.assertEqual(self.finish(putter, status=1).err,
                         "Traceback ...\n  line\nsyncctl: put: job 1 is dead: "
                         "ValueError: no such user\n")


class Terminal(terminal_case.TerminalCase):
    """The progress line, on a real terminal."""

    def test_put_tells_that_the_queue_is_full_and_nobody_consumes(self):
        self.ctl("queue", "set", "q", "--capacity", "4")
        putter = self.on_terminal("put", "q", "--lines",
                                  stdin=subprocess.PIPE)
        putter.stdin.write(lines_of(range(8)).encode())
        putter.stdin.flush()
        self.wait_seen("put: 4 jobs, ")
        self.wait_seen("waiting: the queue is full, nobody consumes")
        self.rpc.call("queue.get", queue="q", max=8, take=True)
        self.finish(putter)
        self.read_rest()
        self.assertRegex(self.seen, r"\r\033\[Ksyncctl: put: 8 jobs put in ")

    def test_put_tells_how_much_of_a_file_is_done(self):
        self.ctl("queue", "set", "q", "--capacity", "4")
        with open(self.write("lines", "skipped\n" + lines_of(range(8)))) as file:
            file.seek(len("skipped\n"))
            os.lseek(file.fileno(), len("skipped\n"), os.SEEK_SET)
            putter = self.on_terminal("put", "q", "--lines", stdin=file)
        self.wait_seen("put: 4 jobs, 50%, ")
        self.rpc.call("queue.get", queue="q", max=8, take=True)
        self.finish(putter)

    def test_join_tells_how_many_are_left(self):
        self.rpc.call("queue.put", queue="q", bodies=[1, 2, 3])
        joiner = self.on_terminal("join", "q")
        self.wait_seen("join: 3 left (0 running), nobody consumes")
        self.ctl("work", "q", "--until-empty")
        self.finish(joiner)
        self.read_rest()
        self.assertTrue(self.seen.endswith("\r\033[K"), self.seen)

    def test_no_progress_if_not_wanted(self):
        for args, env in ((["--no-progress"], {}), (["-q"], {}),
                          ([], {"TERM": "dumb"})):
            joiner = self.on_terminal("join", "q", "--timeout", "600ms",
                                      *args, env=env)
            self.rpc.call("queue.put", queue="q", body=1)
            joiner.wait(harness.PATIENCE)
            self.read_rest()
            self.assertNotIn("\r\033[K", self.seen)
            self.assertNotIn("left", self.seen)

    def test_colours_only_on_a_terminal(self):
        self.ctl("put", "q", "x", "--max-attempts", "1")
        self.ctl("work", "q", "--once", "--", "false", status=1)
        for env, colours in (({}, True), ({"NO_COLOR": "1"}, False),
                             ({"TERM": "dumb"}, False)):
            slave = self.open_terminal()
            process = self.start("queue", stdout=slave,
                                 env={"TERM": "xterm", **env})
            os.close(slave)
            self.read_rest()
            self.finish(process)
            self.assertIn("QUEUE", self.seen)
            self.assertEqual("\033[" in self.seen, colours, self.seen)

    def test_long_names_are_cut_on_a_narrow_terminal(self):
        self.rpc.call("queue.declare", queue="long" * 30)
        slave = self.open_terminal(columns=100)
        process = self.start("queue", stdout=slave)
        os.close(slave)
        self.read_rest()
        self.finish(process)
        for line in self.seen.splitlines():
            self.assertLessEqual(len(line), 100, self.seen)

    def test_ids_of_many_are_not_for_people(self):
        slave = self.open_terminal()
        process = self.start("put", "q", "--lines", stdin=subprocess.PIPE,
                             stdout=slave)
        os.close(slave)
        self.finish(process, input=b"a\nb\n")
        self.read_rest()
        self.assertEqual(self.seen, "")


if __name__ == "__main__":
    harness.main()
