#!/usr/bin/env python3
"""syncctl lock: a command while a lock is held; who holds, who waits."""

import os
import re
import signal

import harness
import syncctl_case

# Says where it is, then waits until the test lets it go on.
WAITING = "echo $SYNCD_TOKEN > $T/$1.tmp; mv $T/$1.tmp $T/$1; read x < $T/go.$1"


class LockCase(syncctl_case.SyncctlCase):
    def lock(self, *args, **options):
        return self.ctl("lock", *args, **options)

    def hold(self, name, lock="l", options=(), script=WAITING, env=None,
             start=True):
        """syncctl that holds the lock while its command waits for go.NAME."""
        self.fifo(f"go.{name}")
        process = self.start("lock", *options, lock, "--", "sh", "-c", script,
                             "sh", name, env=env, start_new_session=True)
        if start:
            self.wait_file(name)
        return process

    def go(self, name):
        self.open_fifo(f"go.{name}")

    def show(self, lock="l"):
        return self.rpc.call("lock.show", lock=lock)

    def wait_waiters(self, count, lock="l"):
        self.wait_until(lambda: self.show(lock)["waiters"] == count,
                        f"{count} waiters of {lock}")

    def wait_free(self, lock="l"):
        self.wait_until(lambda: not self.show(lock)["held"], f"{lock} free")

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def is_alive(self, pid):
        try:
            with open(f"/proc/{pid}/stat") as status:
                return status.read().rsplit(")", 1)[1].split()[0] != "Z"
        except (FileNotFoundError, ProcessLookupError):
            return False

    def script(self, name, text):
        path = self.write(name, "#!/bin/sh\n" + text)
        os.chmod(path, 0o755)
        return path


class Running(LockCase):
    def test_exits_as_its_command(self):
        ran = self.lock("l", "--", "sh", "-c", "echo out; echo err >&2; exit 3",
                        status=3)
        self.assertEqual((ran.out, ran.err), ("out\n", "err\n"))
        self.assertFalse(self.show()["held"])
        self.refused("lock", "l", "--", "/nowhere", status=127,
                     says="no such command")
        self.refused("lock", "l", "--", self.write("plain", ""), status=126,
                     says="cannot run")
        ran = self.lock("l", "--", "sh", "-c", "kill -TERM $$", status=143)
        self.assertEqual(ran.err, "")
        self.assertFalse(self.show()["held"])

    def test_standard_input_is_the_commands(self):
        self.assertEqual(self.lock("l", "--", "cat", input="in").out, "in")

    def test_environment(self):
        ran = self.lock("l", "--", "env", env={"SYNCD_OWNER": "me"})
        env = dict(line.split("=", 1) for line in ran.lines if "=" in line)
        self.assertRegex(env["SYNCD_OWNER"], r"^me/[0-9a-f]{12}$")
        self.assertEqual(env["SYNCD_SOCKET"], self.syncd.socket_path)
        again = self.lock("l", "--", "sh", "-c", "echo $SYNCD_TOKEN").out
        self.assertGreater(int(again), int(env["SYNCD_TOKEN"]))
        owner = self.lock("l", "--", "sh", "-c", "echo $SYNCD_OWNER").out
        self.assertRegex(owner, r"^\d+/[0-9a-f]{12}$")

    def test_a_job_keeps_its_token_inside(self):
        job = self.rpc.call("queue.put", queue="q", body=1, keep_done=60)["id"]
        self.ctl("work", "q", "--once", "--", "sh", "-c",
                 '"$SYNCCTL" lock l -- sh -c \'test $SYNCD_TOKEN != '
                 '$SYNCD_JOB_TOKEN && "$SYNCCTL" extend --progress half\'')
        self.assertEqual(self.rpc.call("job.show", id=job)["progress"], "half")

    def test_one_at_a_time_in_the_order_of_arrival(self):
        holders = [self.hold("a")]
        for count, name in enumerate("bcd", 1):
            holders.append(self.hold(name, start=False))
            self.wait_waiters(count)
        tokens = []
        for name, holder in zip("abcd", holders):
            self.wait_file(name)
            later = "bcd"["abcd".index(name):]
            self.assertFalse([n for n in later if os.path.exists(self.path(n))])
            tokens.append(int(self.read(name)))
            self.assertEqual(self.show()["token"], tokens[-1])
            self.go(name)
            self.finish(holder)
        self.assertEqual(tokens, sorted(set(tokens)))
        self.assertFalse(self.show()["held"])

    def test_not_waiting(self):
        holder = self.hold("a")
        for options, status in ((["-n"], 75), (["--nonblock"], 75),
                                (["--timeout", "0"], 75),
                                (["--timeout", "10ms"], 124)):
            self.refused("lock", *options, "l", "--", "true", status=status,
                         says="is taken")
            ran = self.lock(*options, "-E", "9", "l", "--", "true", status=9)
            self.assertEqual(ran.err, "")
        self.assertEqual(self.show()["waiters"], 0)
        self.lock("-n", "m", "--", "true")
        self.go("a")
        self.finish(holder)

    def test_wrong_usage(self):
        self.refused("lock", "l", says="no command behind --")
        self.refused("lock", "l", "--", says="no command behind --")
        self.refused("lock", "l", "true", says="put -- before the command")
        self.refused("lock", "-n", "--timeout", "1", "l", "--", "true",
                     says="one of -n and --timeout")
        self.refused("lock", "-E", "256", "l", "--", "true", says="0 to 255")
        self.refused("lock", "-n", "--", "true", says="NAME is missing")
        self.refused("lock", "", "--", "true", status=2, says="1 to 200 bytes")
        self.refused("lock", "l", "--", "true", status=1, says="too long",
                     env={"SYNCD_OWNER": "x" * 190})

    def test_whatever_it_is_called(self):
        for name in ("list", "show", "run"):
            words = ["run", "run"] if name == "run" else [name]
            self.assertEqual(self.lock(*words, "--", "echo", "ran").out,
                             "ran\n")
            show = ["sh", "-c", '"$SYNCCTL" lock --json']
            held = self.lock("run", name, "--", *show).json
            self.assertEqual([lock["lock"] for lock in held], [name])
        self.assertEqual(self.lock("list").out, "")
        self.assertIn("free", self.lock("show", "--", "-x").out)


class Owners(LockCase):
    def test_a_script_that_calls_itself(self):
        script = self.script("deep", '''
            echo "$1 $SYNCD_TOKEN"
            test $1 = 0 || exec "$SYNCCTL" lock --reentrant l -- $0 $(($1 - 1))
            "$SYNCCTL" lock list --json > $T/held
        ''')
        lines = self.lock("--reentrant", "l", "--", script, "5").lines
        self.assertEqual([line.split()[0] for line in lines], list("543210"))
        self.assertEqual(len({line.split()[1] for line in lines}), 1)
        held = re.findall(r'"count":(\d+)', self.read("held"))
        self.assertEqual(held[0], "6")
        self.assertFalse(self.show()["held"])

    def test_inside_a_plain_lock_a_reentrant_one(self):
        inner = '"$SYNCCTL" lock --reentrant l -- echo inside'
        self.assertEqual(self.lock("l", "--", "sh", "-c", inner).out,
                         "inside\n")

    def test_passes_the_line(self):
        inner = ('echo > $T/a; read x < $T/go.a; '
                 '"$SYNCCTL" lock --reentrant l -- echo inside')
        holder = self.hold("a", script=inner)
        other = self.hold("b", start=False)
        self.wait_waiters(1)
        self.go("a")
        self.assertEqual(self.finish(holder).out, "inside\n")
        self.go("b")
        self.finish(other)

    def test_siblings_are_strangers(self):
        holder = self.hold("a", env={"SYNCD_OWNER": "me"})
        self.refused("lock", "-n", "--reentrant", "l", "--", "true", status=75,
                     env={"SYNCD_OWNER": "me"})
        self.go("a")
        self.finish(holder)

    def test_through_a_worker(self):
        """A job's command and what it runs are inside each other."""
        self.rpc.call("queue.put", queue="q", body=1)
        inner = '"$SYNCCTL" lock --reentrant l -- echo inside'
        ran = self.ctl("work", "q", "--once", "--", "sh", "-c",
                       f'"$SYNCCTL" lock l -- sh -c \'{inner}\'')
        self.assertEqual(ran.out, "inside\n")


class Deadlocks(LockCase):
    def test_the_smallest(self):
        ran = self.lock("l", "--", "sh", "-c", '"$SYNCCTL" lock l -- true',
                        status=1)
        self.assertEqual(len(ran.err.splitlines()), 1, ran.err)
        self.assertRegex(ran.err, r'deadlock: waiting for "l" would never '
                         r'end: pid \d+ \(syncctl lock l -- sh -c .*\) holds '
                         r'"l" and waits for "l"\. .*--reentrant')
        self.assertFalse(self.show()["held"])

    def test_let_wait(self):
        ran = self.lock("l", "--", "sh", "-c",
                        '"$SYNCCTL" lock --allow-deadlock --timeout 10ms l '
                        '-- true', status=124)
        self.assertIn("is taken", ran.err)

    def test_a_cycle_of_two(self):
        """a holds x and wants y, b holds y and wants x."""
        inner = (WAITING + '; "$SYNCCTL" lock {} -- echo $1 has both')
        a = self.hold("a", lock="x", script=inner.format("y"))
        b = self.hold("b", lock="y", script=inner.format("x"))
        self.go("b")
        self.wait_waiters(1, "x")
        self.go("a")
        ran = self.finish(a, status=1)
        self.assertIn("deadlock", ran.err)
        for pid, holds, wants in ((a.pid, "x", "y"), (b.pid, "y", "x")):
            self.assertRegex(ran.err, rf'pid {pid} \(syncctl lock {holds} .*\)'
                             rf' holds "{holds}" and waits for "{wants}"')
        self.assertEqual(self.finish(b).out, "b has both\n")


class Ending(LockCase):
    def test_signals_go_to_the_command(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP,
                       signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
            name = f"s{number:d}"
            trap = (f'trap "exit 7" {number:d}; echo > $T/$1; '
                    'while :; do read x < $T/go.$1; done')
            holder = self.hold(name, script=trap)
            holder.send_signal(number)
            self.finish(holder, status=7)
        holder = self.hold("b")
        holder.terminate()
        self.finish(holder, status=143)
        self.wait_free()

    def test_a_signal_ends_the_waiting(self):
        holder = self.hold("a")
        waiter = self.hold("b", start=False)
        self.wait_waiters(1)
        waiter.terminate()
        ran = self.finish(waiter, status=143)
        self.assertEqual(ran.err, "")
        self.assertEqual(self.show()["waiters"], 0)
        self.go("a")
        self.finish(holder)
        self.assertFalse(os.path.exists(self.path("b")))

    def test_killed_it_holds_nothing(self):
        """And neither does its command go on."""
        script = "echo $$ > $T/$1.tmp; mv $T/$1.tmp $T/$1; read x < $T/go.$1"
        holder = self.hold("a", script=script)
        waiter = self.hold("b", start=False)
        self.wait_waiters(1)
        holder.kill()
        self.wait_file("b")
        child = int(self.read("a"))
        self.wait_until(lambda: not self.is_alive(child), "the command's end")
        self.go("b")
        self.finish(waiter)

    def test_a_killed_waiter_is_no_ghost(self):
        holder = self.hold("a")
        waiter = self.hold("b", start=False)
        self.wait_waiters(1)
        other = self.hold("c", start=False)
        self.wait_waiters(2)
        waiter.kill()
        self.wait_waiters(1)
        self.go("a")
        self.finish(holder)
        self.wait_file("c")
        self.go("c")
        self.finish(other)

    def test_given_back_by_its_own_command(self):
        ran = self.lock("l", "--", "sh", "-c",
                        '"$SYNCCTL" call lock.release "{\\"lock\\":\\"l\\",'
                        '\\"token\\":$SYNCD_TOKEN}"; exit 4', status=4)
        self.assertIn("was given back before its command ended", ran.err)


class Restarts(LockCase):
    def test_held_over_a_crash(self):
        holder = self.hold("a")
        token = self.show()["token"]
        waiter = self.hold("b", start=False)
        self.wait_waiters(1)
        self.syncd.kill()
        self.syncd.start()
        self.rpc = self.client(self.syncd)
        self.assertEqual(self.show()["token"], token)
        self.wait_waiters(1)
        self.wait_until(lambda: not self.show()["holder"]["away"], "its return")
        self.go("a")
        ran = self.finish(holder)
        self.assertEqual(ran.err, "")
        self.wait_file("b")
        self.assertGreater(int(self.read("b")), token)
        self.go("b")
        self.finish(waiter)

    # Ends when its fifo is opened, or by TERM, of which it tells.
    TOLD = ('trap "echo told > $T/told; exit 0" TERM; echo > $T/$1; '
            'while :; do { read x < $T/go.$1; } 2> /dev/null; done')

    def lost(self, holder):
        ran = self.finish(holder, status=70)
        self.assertEqual(len(ran.err.splitlines()), 1, ran.err)
        self.assertIn('the lock "l" is lost, its command is ended', ran.err)

    def test_gone_beyond_the_grace(self):
        holder = self.hold("a", options=["--grace", "50ms"], script=self.TOLD)
        self.syncd.kill()
        self.lost(holder)
        self.assertEqual(self.read("told"), "told\n")

    def test_without_a_grace_at_once(self):
        holder = self.hold("a", options=["--grace", "0"], script=self.TOLD)
        self.syncd.kill()
        self.lost(holder)

    def test_what_does_not_end_is_killed_with_all_it_started(self):
        script = ('trap "" TERM; sh -c "echo \\$\\$ > $T/inner; '
                  'while :; do read x < $T/go.$1; done" & '
                  'echo > $T/$1; while :; do read x < $T/go.$1; done')
        holder = self.hold("a", options=["--grace", "0", "--kill-after",
                                         "10ms"], script=script)
        self.wait_file("inner")
        self.wait_until(lambda: self.read("inner").endswith("\n"), "its pid")
        inner = int(self.read("inner"))
        self.syncd.kill()
        self.lost(holder)
        self.wait_until(lambda: not self.is_alive(inner), "the inner one's end")

    def test_a_daemon_that_knows_it_no_more(self):
        holder = self.hold("a", script=self.TOLD)
        self.syncd.kill()
        self.syncd.data = self.path("other")
        self.syncd.options[self.syncd.options.index("--data") + 1] = \
            self.syncd.data
        self.syncd.start()
        self.lost(holder)


class Looking(LockCase):
    def test_table(self):
        self.assertEqual(self.lock().out, "")
        holder = self.hold("a")
        waiter = self.hold("b", start=False)
        self.wait_waiters(1)
        lines = self.lock().lines
        self.assertRegex(lines[0], r"^LOCK +STATE +PID +USER +SINCE +TOKEN +"
                         "COMMAND")
        user = r"\S+"
        when = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
        token = self.show()["token"]
        self.assertRegex(lines[1], rf"^l +holds +{holder.pid} +{user} +{when} "
                         rf"+{token} +syncctl lock l -- sh -c echo")
        self.assertRegex(lines[2], rf"^l +waits +{waiter.pid} +{user} +{when} "
                         r"+- +syncctl lock l -- sh")
        self.assertEqual(len(lines), 3)
        self.assertEqual(self.lock("list", "l").lines, lines)
        self.assertEqual(self.lock("list", "other").out, "")
        shown = self.lock("show", "l").out
        self.assertRegex(shown, r"lock +l\nstate +held\nowner +\S+\nlevels +1\n"
                         r"waiting +1\n\nSTATE +PID")
        self.assertRegex(self.lock("show", "m").out, r"state +free\n")
        for name, process in (("a", holder), ("b", waiter)):
            self.wait_file(name)
            self.go(name)
            self.finish(process)

    def test_json(self):
        holder = self.hold("a")
        lock = self.lock("--json").json[0]
        self.assertEqual(lock, self.show())
        self.assertEqual(lock["holder"]["pid"], holder.pid)
        self.assertEqual(lock["holder"]["uid"], os.getuid())
        self.assertEqual(self.lock("show", "l", "--json").json, self.show())
        self.go("a")
        self.finish(holder)

    def test_many_who_wait(self):
        self.rpc.call("lock.acquire", lock="l")
        waiting = self.client(self.syncd)
        for _ in range(103):
            waiting.send("lock.acquire", lock="l")
        self.wait_waiters(103)
        lines = self.lock().lines
        self.assertEqual(len(lines), 1 + 1 + 100 + 1)
        self.assertIn("... and 3 more", lines[-1])

    def test_odd_command_lines(self):
        """As a client's name: blanks for what no list could show."""
        for word in (b"a\nb\x01c", b"\xff\xfe", "é".encode() * 300,
                     "\u0085x".encode()):
            ran = self.lock("l", "--", "sh", "-c",
                            '"$SYNCCTL" lock --json', word)
            self.assertIn("syncctl lock l -- sh", ran.json[0]["holder"]
                          ["client"])


if __name__ == "__main__":
    harness.main()
