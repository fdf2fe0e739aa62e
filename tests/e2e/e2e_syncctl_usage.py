#!/usr/bin/env python3
"""syncctl: usage, help, manual page, completion, looking, exit statuses."""

import os
import re
import socket
import subprocess
import unittest

import harness
import syncctl_case

ALL = """put work join get done fail extend queue job lock sem event
barrier batch stats top ping call version
help""".split()


class Usage(syncctl_case.SyncctlCase):
    def test_wrong_usage_is_one_line_and_2(self):
        refused = [
            (["qeue"], 'there is no command "qeue"; did you mean "queue"?'),
            (["queue", "lsit"], 'did you mean "queue list"?'),
            (["xyzzyx"], "see syncctl --help"),
            (["--nosuch", "put"], "there is no option --nosuch"),
            (["put", "--priorty", "3", "q", "x"], "did you mean --priority?"),
            (["put", "-Z", "q", "x"], "there is no option -Z"),
            (["put", "q", "-5"], "put -- before words that begin with -"),
            (["put"], "QUEUE is missing: syncctl put QUEUE [BODY]"),
            (["put", "q"], "BODY is missing"),
            (["put", "q", "a", "b"], '"b" is too much'),
            (["put", "q", "x", "--priority"], "--priority needs NUMBER"),
            (["put", "q", "x", "--priority", "high"], "is no number"),
            (["put", "q", "x", "--delay", "5 weeks"], "write 5, 5s"),
            (["put", "q", "x", "--delay", "-1"], "is no duration"),
            (["put", "q", "x", "--delay", "1e999"], "is no duration"),
            (["put", "q", "x", "--max-attempts", "1.5"], "no whole number"),
            (["put", "q", "x", "--wait=yes"], "--wait takes no argument"),
            (["put", "q", "--lines", "--jsonl"], "--jsonl does not go"),
            (["put", "q", "--lines", "--key", "k"], "for a single body"),
            (["put", "q", "--lines", "body"], "leave out BODY"),
            (["work"], "syncctl work QUEUE [-- COMMAND [ARG...]]"),
            (["work", "q", "--"], "no command behind --"),
            (["work", "q", "-j", "2"], "put it behind --"),
            (["work", "q", "-j", "0", "--", "true"], "--jobs is a number"),
            (["work", "q", "sh", "-c", "true"], "put -- before the command"),
            (["queue", "set", "q", "--order", "random"], "fifo lifo"),
            (["queue", "set", "q", "--backoff", "1,x"], "BASE[,FACTOR"),
            (["queue", "purge", "q", "old"], '"old" is no state'),
            (["queue", "purge", "q"], "STATE... is missing"),
            (["job", "show", "one"], '"one" is no job\'s id'),
            (["job", "retry"], "either a job's ID or --queue"),
            (["done", "1"], "give the job's ID and its TOKEN"),
            (["call", "queue.show", "[]"], "must be a JSON object"),
            (["fail", "1", "2", "--dead", "--free"], "does not go with"),
            (["--socket"], "--socket needs PATH"),
            (["queue", "--socket"], "--socket needs PATH"),
            (["foo", "bar", "--socket"], 'there is no command "foo"'),
            (["--json"], "a command is missing"),
            # what only the daemon finds
            (["put", "a\nb", "x"], 'QUEUE "a b" is not a name: a string of'),
            (["put", "q" * 300, "x"], 'QUEUE "qqq'),
            (["put", "q", "x", "--limit", "a", "--limit", "b\t"],
             '--limit "b " is not a name'),
            (["queue", "set", "q", "--lease", "0"],
             '--lease "0" must be more than 0'),
            (["queue", "set", "q", "--backoff", "1,0.5"],
             '--backoff "1,0.5": the factor is not a finite number'),
        ]
        for args, says in refused:
            with self.subTest(args=args):
                self.refused(*args, says=says)

    def test_errors_name_commands(self):
        self.ctl("queue", "set", "q")
        self.ctl("put", "q", "x")
        self.ctl("queue", "set", "full", "--capacity", "1")
        self.ctl("put", "full", "x")
        self.ctl("queue", "close", "q")
        self.ctl("sem", "set", "s", "--value", "1")
        self.ctl("batch", "create", "b", "--stages", "a")
        self.ctl("put", "bq", "x", "--batch", "b", "--stage", "a")
        refused = [
            (["queue", "show", "no"], "no queue no; these are there: syncctl "
                                      "queue list"),
            (["job", "list", "my q"], "no queue 'my q'; these are there"),
            (["job", "retry", "--queue", "no"], "no queue no;"),
            (["batch", "show", "no"], "syncctl batch list"),
            (["put", "q2", "x", "--batch", "no", "--stage", "a"],
             "syncctl batch create no --stages"),
            (["put", "q2", "x", "--batch", "b", "--stage", "c"],
             "the batch b has no stage c; see its stages with: syncctl"),
            (["put", "q2", "x", "--limit", "no"], "syncctl sem set no"),
            (["sem", "show", "no"], "syncctl sem set no --value N"),
            (["sem", "no", "--", "true"], "give --value N here"),
            (["sem", "set", "s", "--value", "1", "--unbounded"],
             "syncctl sem delete s"),
            (["queue", "delete", "q"], "syncctl queue delete q --force"),
            (["batch", "delete", "b"], "first: syncctl batch cancel b"),
            (["put", "q", "x"], "syncctl queue open q"),
            (["job", "show", "99"], "kept only with --keep-done"),
            (["call", "no.such"], "syncctl call rpc.discover"),
        ]
        for args, says in refused:
            with self.subTest(args=args):
                ran = self.refused(*args, status=1, says=says)
                self.assertNotIn("`", ran.err)
        self.refused("put", "full", "x", "--timeout", "0", status=75,
                     says="syncctl queue set full --capacity N")

    def test_nothing_at_all_is_help_and_2(self):
        ran = self.ctl(status=2)
        self.assertIn("Usage: syncctl", ran.err)
        self.assertEqual(ran.out, "")

    def test_help_everywhere(self):
        top = self.ctl("--help").out
        for name in ALL:
            self.assertRegex(top, rf"(?m)^  {name}\b")
        self.assertEqual(self.ctl("help").out, top)
        for args in (["put"], ["work"], ["queue", "set"], ["job", "wait"]):
            out = self.ctl(*args, "--help").out
            self.assertIn("Usage: syncctl " + " ".join(args), out)
            self.assertEqual(self.ctl("help", *args).out, out)
            self.assertEqual(self.ctl("-h", *args).out, out)
            statuses = [int(status) for status in re.findall(
                r"(?m)^ +(\d+) ", out.split("Exit statuses:")[1])]
            self.assertEqual(statuses, sorted(set(statuses)))
        group = self.ctl("queue", "--help").out
        self.assertIn("queue purge", group)
        self.assertNotIn("__", top)
        self.refused("help", "nothing", says="no command")
        for line in (top + group).splitlines():
            self.assertLess(len(line), 81, line)

    def test_version(self):
        version = self.ctl("--version").out
        self.assertRegex(version, r"^syncctl \d+\.\d+\.\d+\n$")
        self.assertEqual(self.ctl("version").out, version)
        self.assertEqual(self.ctl("put", "--version").out, version)
        self.assertEqual(self.ctl("version", "--json").json["name"], "syncctl")

    def test_global_options_stand_anywhere(self):
        place = self.syncd.socket_path
        nowhere = {"SYNCD_SOCKET": self.path("nowhere")}
        for args in (["--socket", place, "queue", "list", "--json"],
                     ["queue", "--socket", place, "list", "--json"],
                     ["--json", "queue", f"--socket={place}"],
                     ["queue", "list", "--json", "--socket", place]):
            with self.subTest(args=args):
                self.assertEqual(self.ctl(*args, env=nowhere).json, [])

    def test_manual_page(self):
        page = self.ctl("__man").out
        for name in ("put", "queue set", "job wait", "extend"):
            self.assertIn(f'.SS "{name}"', page)
        self.assertIn("until\\-empty", page)
        try:
            ran = subprocess.run(["groff", "-man", "-ww", "-z", "-Tutf8"],
                                 input=page.encode(), capture_output=True)
        except FileNotFoundError:
            self.skipTest("there is no groff")
        self.assertEqual(ran.stderr.decode(), "")

    def test_daemons_manual_page_has_its_options_and_keys(self):
        page = os.path.join(harness.BIN, "..", "man", "syncd.8")
        if not os.path.exists(page):
            self.skipTest("the manual pages are not built here")
        with open(page) as file:
            page = file.read()
        said = subprocess.run([harness.SYNCD, "--help"], capture_output=True,
                              text=True).stdout
        for option in re.findall(r"--([a-z-]+)", said):
            self.assertIn(f"Fl {option}".replace("Fl ", "Fl Fl ", 1), page)
        keys = subprocess.run([harness.SYNCD, "--default-config"],
                              capture_output=True, text=True).stdout
        # Those of an `allow` section stand indented.
        for indent, key in re.findall(r"(?m)^#?(\s*)(\w+) = ", keys):
            macro = "Cm" if indent else "Ic"
            self.assertRegex(page, rf"(?m)^\.It {macro} (.* , )?{key}( ,|$)")
        self.assertNotIn("@", page)


class Completion(syncctl_case.SyncctlCase):
    def complete(self, *words):
        return self.ctl("__complete", "words", "--", *words).lines

    def test_words(self):
        self.rpc.call("queue.declare", queue="mail box")
        self.rpc.call("queue.declare", queue="mühle")
        self.assertEqual(sorted(set(ALL)), sorted(self.complete("")))
        self.assertIn("purge", self.complete("queue", ""))
        self.assertEqual(self.complete("put", ""), ["mail box", "mühle"])
        self.assertEqual(self.complete("queue", "show", ""),
                         ["mail box", "mühle"])
        self.assertIn("--priority", self.complete("put", "q", "-"))
        self.assertIn("--socket", self.complete("-"))
        self.assertEqual(self.complete("queue", "set", "q", "--order", ""),
                         ["fifo", "lifo"])
        self.assertIn("dead", self.complete("queue", "purge", "q", "ready", ""))
        self.assertEqual(self.complete("put", "--delay", ""), [])
        self.assertEqual(self.complete("put", "--delay", "5", ""),
                         ["mail box", "mühle"])
        self.assertEqual(self.complete("--socket", ""), [":file"])

    def test_jobs_and_events(self):
        self.rpc.call("queue.put", queue="q", body=1)
        self.ctl("event", "wait", "batch/b/a", "--timeout", "0", status=75)
        self.ctl("put", "q", "x", "-q", "--after", "batch/b/a", "--after", "e")
        self.assertEqual(self.complete("job", "show", ""), ["1", "2"])
        self.assertEqual(self.complete("event", "set", ""), ["e"])
        self.assertEqual(self.complete("event", "wait", ""),
                         ["batch/b/a", "e"])

    def test_silent_without_a_daemon(self):
        nowhere = {"SYNCD_SOCKET": self.path("nowhere")}
        ran = self.ctl("__complete", "words", "--", "put", "", env=nowhere)
        self.assertEqual((ran.out, ran.err), ("", ""))

    def test_silent_with_a_daemon_that_hangs(self):
        with socket.socket(socket.AF_UNIX) as hung:
            hung.bind(self.path("hung"))
            hung.listen()
            ran = self.ctl("__complete", "words", "--", "put", "",
                           env={"SYNCD_SOCKET": self.path("hung")})
        self.assertEqual((ran.out, ran.err), ("", ""))

    def test_in_bash(self):
        self.rpc.call("queue.declare", queue="mail box")
        script = self.ctl("__complete", "bash").out
        test = script + (
            'try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=();'
            ' _syncctl; printf "%s\\n" "${COMPREPLY[@]}"; }\n'
            'try "$SYNCCTL" pu\n'
            'try "$SYNCCTL" put ""\n'
            'try "$SYNCCTL" queue set x --or\n')
        ran = subprocess.run(["bash", "-c", test], capture_output=True,
                             env=self.environment(), text=True)
        self.assertEqual(ran.stdout.splitlines(),
                         ["put", "mail\\ box", "--order"], ran.stderr)


class Looking(syncctl_case.SyncctlCase):
    def test_tables_are_aligned_and_plain(self):
        self.rpc.call("queue.declare", queue="mühle", capacity=5)
        self.rpc.call("queue.put", queue="mühle", bodies=[1, 2])
        self.rpc.call("queue.put", queue="a", body="x")
        lines = self.ctl("queue").lines
        self.assertRegex(lines[0], r"^QUEUE\s+READY\s+RUNNING\s+DELAYED")
        self.assertRegex(lines[1], r"^a\s+1\s+0\s+0\s+0\s+0\s+10000")
        self.assertRegex(lines[2], r"^mühle\s+2\s+0\s+0\s+0\s+0\s+5")
        self.assertEqual(len({len(line.rstrip()) for line in lines[1:]}), 1)
        self.assertNotIn("\033", "".join(lines))
        self.assertEqual(self.ctl("queue", "list").lines, lines)
        self.assertEqual(len(self.ctl("queue", "list", "m").lines), 2)

    def test_nothing_is_an_empty_table(self):
        self.ctl("queue")
        self.assertEqual(self.ctl("queue", "--json").json, [])
        self.assertEqual(self.ctl("job", "--json").json, [])

    def test_many_queues_come_in_pages(self):
        for n in range(2500):
            self.rpc.send("queue.declare", queue=f"q{n:04}", durable=False)
        self.rpc.wait(self.rpc.last_id)
        names = [q["queue"] for q in self.ctl("queue", "--json").json]
        self.assertEqual(names, [f"q{n:04}" for n in range(2500)])

    def test_json_is_what_the_daemon_says(self):
        self.rpc.call("queue.put", queue="q", body={"a": [1, "x"]})
        shown = self.ctl("queue", "show", "q", "--json").json
        self.assertEqual(shown["counts"], self.counts("q"))
        self.assertEqual(self.ctl("job", "show", "1", "--json").json,
                         self.rpc.call("job.show", id=1))
        self.assertIn("counters", self.ctl("stats", "--json").json)
        self.assertEqual(self.ctl("ping", "--json").json["name"], "syncd")

    def test_jobs(self):
        self.rpc.call("queue.put", queue="q", bodies=["a", {"b": 1}, "ü\u0007"])
        lines = self.ctl("job").lines
        self.assertEqual(len(lines), 4)
        self.assertRegex(lines[1], r"^\s*1 q\s+ready\s+0\s+0 put .* ago\s+a$")
        self.assertRegex(lines[2], r'\{"b": 1\}$')
        self.assertNotIn("\u0007", "".join(lines))
        self.assertIn("there is no queue none",
                      self.ctl("job", "list", "none", status=1).err)
        few = self.ctl("job", "list", "--limit", "2")
        self.assertEqual(len(few.lines), 3)
        self.assertIn("--after 2", few.err)
        rest = self.ctl("job", "list", "q", "--after", "2", "--json")
        self.assertEqual([job["id"] for job in rest.json], [3])
        self.assertEqual(self.ctl("job", "list", "--state", "dead",
                                  "--json").json, [])

    def test_all_jobs_over_pages(self):
        bodies = list(range(2300))
        self.rpc.call("queue.put", queue="q", bodies=bodies)
        jobs = self.ctl("job", "list", "--limit", "0", "--json").json
        self.assertEqual([job["body"] for job in jobs], bodies)

    def test_show(self):
        self.ctl("queue", "set", "q", "--capacity", "7", "--lease", "90s")
        out = self.ctl("queue", "show", "q").out
        self.assertRegex(out, r"(?m)^capacity\s+7$")
        self.assertRegex(out, r"(?m)^lease\s+1 min 30 s$")
        self.ctl("put", "q", '"two words"')
        out = self.ctl("job", "show", "1").out
        self.assertRegex(out, r"(?m)^state\s+ready$")
        self.assertRegex(out, r"(?m)^body\s+two words$")

    def test_ping_stats_call(self):
        self.assertRegex(self.ctl("ping").out, r"^syncd .* protocol 1, ")
        self.assertRegex(self.ctl("stats").out, r"(?m)^counters\.jobs_put\s+0$")
        self.assertRegex(self.ctl("stats").out,
                         r"(?m)^users\.\w+\.connections\s+\d+$")
        self.assertNotIn("{", self.ctl("stats").out)
        self.ctl("call", "queue.put", '{"queue": "q",\n "body": 0.1}')
        shown = self.ctl("call", "job.show", '{"id":1}')
        self.assertIn('"body":0.1', shown.out)
        ran = self.ctl("call", "job.show", '{"id":77}', "--json", status=1)
        self.assertEqual(ran.json["name"], "not_found")
        self.refused("call", "no.method", status=1)


class Terms(syncctl_case.SyncctlCase):
    def test_set_changes_what_is_named(self):
        self.ctl("queue", "set", "q", "--capacity", "5", "--max-bytes", "1000",
                 "--order", "lifo", "--concurrency", "2", "--lease", "2m",
                 "--max-attempts", "0", "--backoff", "500ms,3,1h,0.25",
                 "--keep-done", "1d", "--durable", "no")
        shown = self.show("q")
        self.assertEqual(
            {k: shown[k] for k in ("capacity", "max_bytes", "order",
                                   "concurrency", "lease", "max_attempts",
                                   "backoff", "keep_done", "durable")},
            {"capacity": 5, "max_bytes": 1000, "order": "lifo",
             "concurrency": 2, "lease": 120, "max_attempts": 0,
             "backoff": {"base": 0.5, "factor": 3, "max": 3600,
                         "jitter": 0.25},
             "keep_done": 86400, "durable": False})
        self.ctl("queue", "set", "q", "--capacity", "6", "--backoff", "2s")
        shown = self.show("q")
        self.assertEqual(shown["capacity"], 6)
        self.assertEqual(shown["backoff"]["base"], 2)
        self.assertEqual(shown["lease"], 120)

    def test_pause_resume_close_open(self):
        self.ctl("put", "q", "x")
        self.ctl("queue", "pause", "q")
        self.assertTrue(self.show("q")["paused"])
        self.assertRegex(self.ctl("queue").out, r"paused")
        self.refused("get", "q", "--timeout", "0", status=75)
        self.ctl("queue", "resume", "q")
        self.ctl("queue", "close", "q")
        self.refused("put", "q", "y", status=1)
        self.ctl("queue", "open", "q")
        self.ctl("put", "q", "y")

    def test_purge_and_delete(self):
        self.rpc.call("queue.put", queue="q", bodies=[1, 2, 3])
        self.assertEqual(self.ctl("queue", "purge", "q", "dead").out,
                         "0 jobs removed\n")
        self.refused("queue", "delete", "q", status=1)
        self.assertEqual(self.ctl("queue", "purge", "q", "ready",
                                  "delayed").out, "3 jobs removed\n")
        self.ctl("put", "q", "x")
        self.assertEqual(self.ctl("queue", "delete", "q", "--force").out,
                         "1 job removed\n")
        self.refused("queue", "show", "q", status=1)

    def test_retry_and_cancel(self):
        self.ctl("put", "q", "x", "--max-attempts", "1")
        self.ctl("put", "q", "y", "--max-attempts", "1")
        self.ctl("work", "q", "--until-empty", "--", "false")
        self.assertEqual(self.counts("q")["dead"], 2)
        self.assertRegex(self.ctl("queue").lines[1], r"^q\s+0\s+0\s+0\s+0\s+2")
        self.assertEqual(self.ctl("job", "retry", "1").out,
                         "1 job ready again\n")
        self.assertEqual(self.ctl("job", "retry", "--queue", "q").out,
                         "1 job ready again\n")
        self.ctl("job", "cancel", "1")
        self.refused("job", "show", "1", status=1)
        self.assertEqual(self.counts("q")["ready"], 1)


class Statuses(syncctl_case.SyncctlCase):
    def test_no_daemon_is_69(self):
        nowhere = {"SYNCD_SOCKET": self.path("nowhere")}
        for args in (["ping"], ["put", "q", "x"], ["work", "q"], ["queue"],
                     ["put", "q", "--lines"], ["join", "q"]):
            ran = self.refused(*args, status=69, env=nowhere)
            self.assertIn(self.path("nowhere"), ran.err)
            self.assertIn("start one there with `syncd --socket ", ran.err)

    def test_who_is_turned_away_is_told_why(self):
        os.mkdir(self.path("full"))
        with open(self.path("full", "conf"), "w") as file:
            file.write("max_connections = 1\n")
        full = self.daemon(directory=self.path("full"),
                           config=self.path("full", "conf"))
        only = self.client(full)
        only.call("server.info")
        self.refused("ping", status=75, says="max_connections",
                     env={"SYNCD_SOCKET": full.socket_path})

    @unittest.skipUnless(os.getuid() == 0, "needs another user")
    def test_not_allowed_is_77(self):
        os.chmod(self.directory, 0o755)
        binary = os.path.abspath(harness.SYNCCTL)
        reachable = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
             binary, "--version"], capture_output=True)
        if reachable.returncode != 0:
            self.skipTest("another user cannot run the binary here")
        # A group that may is one to join; the owner's group otherwise is not.
        for mode, says in ((0o600, "for the user root alone"),
                           (0o660, "for the group root; join it")):
            os.chmod(self.syncd.socket_path, mode)
            ran = subprocess.run(
                ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                 binary, "ping"], capture_output=True, text=True,
                env=self.environment())
            self.assertEqual(ran.returncode, 77, ran.stderr)
            self.assertIn(says, ran.stderr)

    def test_would_wait_is_75_and_timed_out_124(self):
        self.ctl("queue", "set", "q", "--capacity", "1")
        self.refused("get", "q", "--timeout", "0", status=75)
        self.refused("get", "q", "--timeout", "10ms", status=124)
        self.ctl("put", "q", "x")
        self.refused("put", "q", "y", "--timeout", "0", status=75)
        self.refused("put", "q", "y", "--timeout", "10ms", status=124)
        self.refused("join", "q", "--timeout", "0", status=75)
        self.refused("join", "q", "--timeout", "10ms", status=124)
        self.refused("job", "wait", "1", "--timeout", "0", status=75)
        self.refused("job", "wait", "1", "--timeout", "10ms", status=124)
        self.assertEqual(self.ctl("get", "q", "-q", "--timeout", "0",
                                  "--json").json["body"], "x")

    def test_output_that_cannot_be_written_is_1(self):
        with open("/dev/full", "w") as full:
            self.refused("ping", status=1, stdout=full,
                         says="standard output")


class Scripts(syncctl_case.SyncctlCase):
    """get, done, fail, extend."""

    def take(self, queue="q", *more):
        return self.ctl("get", queue, "--timeout", "10s", *more).json

    def test_get_and_done(self):
        self.ctl("put", "q", '{"n": 0.1}', "--keep-done", "1h")
        ran = self.ctl("get", "q")
        self.assertIn('"body":{"n": 0.1}', ran.out)
        job = ran.json
        self.assertEqual(self.counts("q")["running"], 1)  # it is detached
        self.ctl("extend", str(job["id"]), str(job["token"]), "--lease", "1h",
                 "--progress", "half")
        self.assertEqual(self.rpc.call("job.show", id=1)["progress"], "half")
        self.ctl("done", str(job["id"]), str(job["token"]), "--result", "[1]")
        self.assertEqual(self.rpc.call("job.show", id=1)["result"], [1])
        self.refused("done", str(job["id"]), str(job["token"]), status=1)

    def test_fail(self):
        self.ctl("put", "q", "x")
        job = self.take()
        args = [str(job["id"]), str(job["token"])]
        self.ctl("fail", *args, "--error", "no luck", "--delay", "0")
        self.assertEqual(self.rpc.call("job.show", id=1)["error"], "no luck")
        job = self.take()
        self.assertEqual(job["attempt"], 2)
        self.ctl("fail", "1", str(job["token"]), "--free", "--delay", "0")
        job = self.take()
        self.assertEqual(job["attempt"], 2)
        self.ctl("fail", "1", str(job["token"]), "--dead")
        self.assertEqual(self.counts("q")["dead"], 1)

    def test_forms(self):
        self.rpc.call("queue.put", queue="q", bodies=["it's", "it's", "two"])
        self.assertEqual(self.ctl("get", "q", "--body").out, "it's\n")
        script = 'eval "$("$SYNCCTL" get q --shell)"; printf %s "$SYNCD_BODY"'
        ran = subprocess.run(["sh", "-c", script], capture_output=True,
                             env=self.environment(), text=True)
        self.assertEqual(ran.stdout, "it's", ran.stderr)
        self.ctl("get", "q", "--take")
        self.assertEqual(self.show("q")["unfinished"], 2)

    def test_inside_a_command_the_job_is_known(self):
        self.ctl("put", "q", "x")
        self.ctl("work", "q", "--once", "--", "sh", "-c",
                 '"$SYNCCTL" extend --progress 1 && "$SYNCCTL" done '
                 '--result 5 && "$SYNCCTL" put other "$SYNCD_JOB"')
        self.assertEqual(self.ctl("get", "other").json["body"], 1)


if __name__ == "__main__":
    harness.main()
