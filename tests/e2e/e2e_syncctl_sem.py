#!/usr/bin/env python3
"""syncctl sem: a command with permits of a semaphore; jobs with limits."""

import os

import harness
import syncctl_case

# Says that it is there, waits until the test lets it go on, says that it goes.
WAITING = ("echo $SYNCD_TOKEN > $T/$1.tmp; mv $T/$1.tmp $T/$1; "
           "read x < $T/go.$1; rm $T/$1")


class SemCase(syncctl_case.SyncctlCase):
    def sem(self, *args, **options):
        return self.ctl("sem", *args, **options)

    def hold(self, name, *options, semaphore="s"):
        """syncctl with permits; its command waits for go.NAME."""
        self.fifo(f"go.{name}")
        return self.start("sem", *options, semaphore, "--", "sh", "-c", WAITING,
                          "sh", name, start_new_session=True)

    def go(self, name):
        self.open_fifo(f"go.{name}")

    def show(self, semaphore="s"):
        return self.rpc.call("semaphore.show", semaphore=semaphore)

    def wait_waiters(self, count):
        self.wait_until(lambda: self.show()["waiters"] == count,
                        f"{count} waiters")

    def there(self, names):
        return [name for name in names if os.path.exists(self.path(name))]


class Running(SemCase):
    def test_five_downloads_three_at_once(self):
        names = "abcde"
        downloads = {name: self.hold(name, "--value", "3") for name in names}
        finished = []
        while len(finished) < len(names):
            left = [name for name in names if name not in finished]
            most = min(3, len(left))
            self.wait_until(lambda: len(self.there(left)) == most,
                            f"{most} downloads")
            self.wait_waiters(len(left) - most)
            shown = self.show()
            self.assertEqual((shown["free"], len(shown["holders"]),
                              shown["waiters"]),
                             (3 - most, most, len(left) - most))
            name = self.there(left)[0]
            self.go(name)
            self.finish(downloads[name])
            finished.append(name)
            self.assertLessEqual(len(self.there(names)), 3)
        self.assertEqual(self.show()["free"], 3)

    def test_exits_as_its_command(self):
        ran = self.sem("s", "--value", "1", "--", "sh", "-c", "echo x; exit 3",
                       status=3)
        self.assertEqual((ran.out, ran.err), ("x\n", ""))
        self.refused("sem", "s", "--", "/nowhere", status=127)
        self.assertEqual(self.show()["free"], 1)

    def test_environment(self):
        ran = self.sem("s", "--value", "1", "--", "sh", "-c",
                       "echo $SYNCD_TOKEN $SYNCD_OWNER", env={
                           "SYNCD_OWNER": "me"})
        self.assertRegex(ran.out, r"^\d+ me\n$")

    def test_not_there(self):
        self.refused("sem", "s", "--", "true", status=1, says="--value N")
        self.refused("sem", "show", "s", status=1)
        self.refused("sem", "delete", "s", status=1)

    def test_wrong_usage(self):
        self.refused("sem", "s", "--value", "1", says="no command behind --")
        self.refused("sem", "s", "--value", "1", "--permits", "0", "--", "true",
                     says="at least 1")
        self.refused("sem", "s", "--value", "1", "--permits", "2", "--", "true",
                     says="never")
        self.refused("sem", "set", "s", says="--value N is missing")

    def test_not_waiting(self):
        holder = self.hold("a", "--value", "1")
        self.wait_file("a")
        self.refused("sem", "-n", "s", "--", "true", status=75, says="is taken")
        self.refused("sem", "--timeout", "10ms", "s", "--", "true", status=124,
                     says="is taken")
        self.sem("-n", "-E", "9", "s", "--", "true", status=9)
        self.assertEqual(self.show()["waiters"], 0)
        self.go("a")
        self.finish(holder)

    def test_many_permits_are_not_passed(self):
        one = self.hold("a", "--value", "3")
        self.wait_file("a")
        many = self.hold("b", "--permits", "3")
        self.wait_waiters(1)
        single = self.hold("c")
        self.wait_waiters(2)
        self.assertEqual([who["permits"] for who in self.show()["waiting"]],
                         [3, 1])
        self.assertEqual(self.there("bc"), [])
        self.go("a")
        self.finish(one)
        self.wait_file("b")
        self.assertEqual((self.show()["free"], self.there("c")), (0, []))
        self.go("b")
        self.finish(many)
        self.wait_file("c")
        self.go("c")
        self.finish(single)

    def test_killed_it_holds_nothing(self):
        holder = self.hold("a", "--value", "2", "--permits", "2")
        self.wait_file("a")
        other = self.hold("b")
        self.wait_waiters(1)
        holder.kill()
        self.wait_file("b")
        self.assertEqual(self.show()["free"], 1)
        self.go("b")
        self.finish(other)

    def test_held_over_a_crash(self):
        holder = self.hold("a", "--value", "2")
        self.wait_file("a")
        token = self.show()["holders"][0]["token"]
        self.syncd.kill()
        self.syncd.start()
        self.rpc = self.client(self.syncd)
        shown = self.show()
        self.assertEqual((shown["free"], shown["holders"][0]["token"]),
                         (1, token))
        self.go("a")
        self.assertEqual(self.finish(holder).err, "")
        self.assertEqual(self.show()["free"], 2)

    def test_lost(self):
        holder = self.hold("a", "--value", "1", "--grace", "0")
        self.wait_file("a")
        self.syncd.kill()
        ran = self.finish(holder, status=70)
        self.assertIn('the semaphore "s" is lost, its command is ended',
                      ran.err)

    def test_a_counter(self):
        self.sem("set", "s", "--value", "2", "--unbounded")
        ran = self.sem("s", "--", self_ctl(), "sem", "show", "s", "--json")
        self.assertEqual((ran.json["free"], len(ran.json["holders"])), (1, 1))
        self.assertEqual(self.show()["free"], 2)


def self_ctl():
    return os.path.abspath(harness.SYNCCTL)


class Semaphores(SemCase):
    def test_set_and_delete(self):
        self.assertEqual(self.sem("set", "s", "--value", "2").out, "")
        self.assertEqual(self.show()["value"], 2)
        self.assertEqual(self.sem("set", "s", "--value", "5",
                                  "--json").json["value"], 5)
        self.refused("sem", "set", "s", "--value", "1", "--unbounded",
                     status=1, says="bounded")
        self.sem("delete", "s")
        self.assertEqual(self.sem("--json").json, [])
        holder = self.hold("a", "--value", "1")
        self.wait_file("a")
        self.refused("sem", "delete", "s", status=1, says="force")
        self.sem("delete", "s", "--force")
        self.go("a")
        self.assertIn("before its command ended", self.finish(holder).err)

    def test_more_permits_let_who_waits_in(self):
        holder = self.hold("a", "--value", "1")
        self.wait_file("a")
        other = self.hold("b")
        self.wait_waiters(1)
        self.sem("set", "s", "--value", "2")
        self.wait_file("b")
        for name, process in (("a", holder), ("b", other)):
            self.go(name)
            self.finish(process)

    def test_tables(self):
        self.assertEqual(self.sem().out, "")
        holder = self.hold("a", "--value", "2", "--permits", "2")
        self.wait_file("a")
        waiter = self.hold("b", "--permits", "2")
        self.wait_waiters(1)
        lines = self.sem().lines
        self.assertRegex(lines[0], r"^SEMAPHORE +STATE +PID +USER +SINCE +"
                         "TOKEN +COMMAND")
        self.assertRegex(lines[1], r"^s +0 of 2 free")
        self.assertRegex(lines[2], rf"^s +holds 2 +{holder.pid} .* syncctl sem "
                         "s -- sh -c")
        self.assertRegex(lines[3], rf"^s +waits for 2 +{waiter.pid} ")
        self.assertEqual(self.sem("list", "s").lines, lines)
        shown = self.sem("show", "s").out
        self.assertRegex(shown, r"semaphore +s\nvalue +2\nfree +0\nbounded +yes"
                         r"\nrunning jobs +0\nwaiting +1\n\nSTATE")
        self.assertEqual(self.sem("show", "s", "--json").json, self.show())
        for name, process in (("a", holder), ("b", waiter)):
            self.wait_file(name)
            self.go(name)
            self.finish(process)

    def test_called_like_a_command(self):
        self.sem("set", "set", "--value", "1")
        self.assertEqual(self.sem("set", "--", "echo", "ran").out, "ran\n")


class Jobs(SemCase):
    def test_running_jobs_hold_permits(self):
        self.sem("set", "s", "--value", "1")
        for body in ("one", "two"):
            self.rpc.call("queue.put", queue="q", body=body, limits=["s"])
        self.rpc.call("queue.put", queue="q", body="free")
        first = self.ctl("get", "q", "--json").json
        self.assertEqual(first["body"], "one")
        self.assertRegex(self.sem("show", "s").out,
                         r"free +0\n.*\nrunning jobs +1\n")
        self.assertEqual(self.ctl("get", "q", "--json").json["body"], "free")
        self.ctl("get", "q", "--timeout", "0", status=75)
        self.refused("sem", "-n", "s", "--", "true", status=75)
        self.ctl("done", str(first["id"]), str(first["token"]))
        self.assertEqual(self.ctl("get", "q", "--json").json["body"], "two")


if __name__ == "__main__":
    harness.main()
