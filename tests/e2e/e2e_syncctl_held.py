#!/usr/bin/env python3
"""syncctl sem: what it says of a semaphore that is otherwise than meant."""

import harness
import syncctl_case


class Sem(syncctl_case.SyncctlCase):
    def test_another_value_is_told(self):
        self.ctl("sem", "s", "--value", "2", "--", "true")
        ran = self.ctl("sem", "s", "--value", "9", "--", "echo", "ran")
        self.assertEqual(ran.out, "ran\n")
        self.assertEqual(ran.err, "syncctl: sem run: semaphore s has the value "
                                  "2; to change it: syncctl sem set s "
                                  "--value 9\n")
        for args in (("--value", "9", "-q"), ("--value", "2"), ()):
            self.assertEqual(self.ctl("sem", "s", *args, "--", "true").err, "")

    def test_more_permits_than_there_are(self):
        self.ctl("sem", "set", "s", "--value", "3")
        only = "has only 3 permits; to give it more: syncctl sem set s --value 5"
        self.refused("sem", "s", "--permits", "5", "-n", "--", "true",
                     status=75, says=only)
        ran = self.ctl("sem", "s", "--permits", "5", "--timeout", "10ms", "--",
                       "true", status=124)
        self.assertIn("waiting until it has 5", ran.err)
        self.assertIn(only, ran.err)
        self.rpc.call("semaphore.acquire", semaphore="s", permits=2)
        self.refused("sem", "s", "--permits", "2", "-n", "--", "true",
                     status=75, says="is taken")
        waiting = self.start("sem", "s", "--permits", "5", "--", "true")
        self.wait_until(lambda: self.rpc.call(
            "semaphore.show", semaphore="s")["waiters"] == 1, "it waits")
        self.ctl("sem", "set", "s", "--value", "7")
        self.finish(waiting)

    def test_a_counter_is_no_share(self):
        self.ctl("sem", "set", "s", "--value", "4", "--unbounded")
        self.assertIn("counter, 4 free", self.ctl("sem", "list").out)

    def test_a_bad_name(self):
        self.refused("sem", "a\tb", "--", "true", says="1 to 200 bytes")

    def test_a_name_that_is_a_command(self):
        for noun in ("lock", "sem"):
            value = ("--value", "1") if noun == "sem" else ()
            self.ctl(noun, "list", *value, "--", "true")
            self.ctl(noun, "run", "run", *value, "--", "true")
            self.assertIn("unless NAME is itself called run.",
                          self.ctl(noun, "--help").out)


if __name__ == "__main__":
    harness.main()
