"""The classic exercises: client/python/examples, as they stand.

With threads each runs twice, once with its import changed back to threading and
queue, and says the same both times. As programs of their own they run in
several processes, and one of them is killed.
"""
import os
import re
import signal

import case
import syncd

EXAMPLES = os.path.join(case.suite.TOP, "client", "python", "examples")
NAMES = sorted(name for name in os.listdir(EXAMPLES)
               if name.endswith(".py") and name != "processes.py")
QUEUE_NAMES = {"Queue", "LifoQueue", "PriorityQueue", "Empty", "Full"}


def for_threads(text):
    """The same, imported from where the course has it."""
    def put_back(match):
        names = set(re.split(r"\W+", match[1]))
        lines = [f"from {module} import {', '.join(sorted(some))}"
                 for module, some in (("queue", names & QUEUE_NAMES),
                                      ("threading", names - QUEUE_NAMES))
                 if some]
        return "\n".join(lines) + "\n"
    changed, count = re.subn(r"^from syncd import (.+)\n", put_back, text,
                             flags=re.M)
    assert count == 1 and "syncd" not in changed
    return changed


class ThreadTests(case.Case):
    """As a course has them."""

    def test_they_say_what_they_say_with_threads(self):
        self.assertGreaterEqual(len(NAMES), 5)
        for name in NAMES:
            with self.subTest(name):
                with open(os.path.join(EXAMPLES, name)) as file:
                    text = file.read()
                ours = self.ends(self.program(text))
                theirs = self.ends(self.program(for_threads(text)))
                self.assertEqual(ours, theirs)
                self.assertTrue(ours)


class ProcessTests(case.Case):
    """As programs of their own, one of which is killed."""

    def start(self, *arguments):
        with open(os.path.join(EXAMPLES, "processes.py")) as file:
            return self.program(file.read(), *arguments)

    def test_producers_and_consumers(self):
        producers = [self.start("produce", "work", name, "10")
                     for name in ("ada", "bob")]
        first, second = (self.start("consume", "work") for _ in range(2))
        taken = first.stdout.readline().split()[1]
        first.kill()
        queue = syncd.Queue("work")
        done = []

        def consume_one():
            self.assertRegex(second.stdout.readline(), "^at ")
            self.let(second)
            done.append(second.stdout.readline().split()[1])
        while len(done) < 20:
            consume_one()
        for producer in producers:
            self.assertEqual(self.ends(producer), "produced 10\n")
        self.assertTrue(queue.join(60))
        queue.shutdown()
        self.ends(second)
        self.assertIn(taken, done)
        self.assertEqual(sorted(done), sorted(
            f"{name}:{number}" for name in ("ada", "bob")
            for number in range(10)))

    def test_stages(self):
        save, process = self.start("save", "r"), self.start("process", "r")
        fetch = self.start("fetch", "r")
        self.says(fetch, "at fetch")
        fetch.kill()  # before it is done: nobody goes on
        self.assertFalse(syncd.Event("r fetched").is_set())
        fetch = self.start("fetch", "r")
        self.let(fetch)
        self.says(process, "at process")
        self.assertFalse(syncd.Event("r processed").is_set())
        self.let(process)
        self.says(save, "at save")
        self.let(save)
        self.assertEqual(self.ends(save), "saved\n")
        self.ends(process)
        self.ends(fetch)

    def test_a_meeting(self):
        parties = [self.start("meet", "m", "60") for _ in range(3)]
        self.assertEqual(sorted(self.ends(party) for party in parties),
                         ["met 0\n", "met 1\n", "met 2\n"])
        waiting = [self.start("meet", "m", "60") for _ in range(2)]
        self.wait_until(lambda: syncd.Barrier("m", 3).n_waiting == 2,
                        "two wait")
        waiting[0].send_signal(signal.SIGKILL)
        self.assertEqual(self.ends(waiting[1]), "broken\n")
        self.assertEqual(self.ends(self.start("meet", "m", "60")), "broken\n")
        syncd.Barrier("m", 3).reset()
        self.assertEqual(self.ends(self.start("meet", "m", "0.2")), "broken\n")

    def test_three_at_a_time(self):
        running = [self.start("download", "d", str(number))
                   for number in range(3)]
        for number, process in enumerate(running):
            self.says(process, f"at {number}")
        fourth = self.start("download", "d", "3")
        slots = syncd.Semaphore("d", 3)
        self.wait_shown(slots, "waiters", 1)
        running[0].kill()  # its permit comes back
        self.says(fourth, "at 3")
        for process in (*running[1:], fourth):
            self.let(process)
            self.ends(process)
        self.assertEqual(slots.get_value(), 3)

    def test_a_recursive_function(self):
        first = self.start("factorial", "f", "5")
        self.says(first, "at the bottom")
        lock = syncd.RLock("f")
        self.assertEqual(lock.show()["count"], 5)
        second = self.start("factorial", "f", "6")
        self.wait_shown(lock, "waiters", 1)
        first.kill()
        self.says(second, "at the bottom")
        self.let(second)
        self.assertEqual(self.ends(second), "720\n")
        self.assertFalse(lock.locked())


if __name__ == "__main__":
    case.main()
