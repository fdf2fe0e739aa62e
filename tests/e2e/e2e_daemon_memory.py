#!/usr/bin/env python3
"""The daemon out of memory, at one allocation after the other.

`syncd_starved` is the daemon with a heap that runs dry at the n-th allocation
(tests/starve.h), be it its own, SQLite's, jansson's or libuv's. It ends with a
status of its own, and what it had answered before is there.

    e2e_daemon_memory.py BIN [FIRST LAST STEP]    these n, instead of a few
"""

import os
import shutil
import sys

import harness

OUT_OF_MEMORY = 71

# Growing steps: most of them are made while it starts.
POINTS = [1, 2, 3, 7, 20, 60, 150, 400, 700, 1000, 1200, 1500, 2000, 2300,
          2600, 2900, 3200, 3500, 3800, 4200, 4600, 5200]


class Starved(harness.Daemon):
    def _command(self):
        command = super()._command()
        command[0] = os.path.join(harness.BIN, "syncd_starved")
        return command


class Memory(harness.TestCase):
    def test_what_was_answered_is_there(self):
        starved = sum(self.starve(n) for n in POINTS)
        print(f"{starved} of {len(POINTS)} ended for want of memory",
              file=sys.stderr)
        self.assertGreater(starved, 10)

    def starve(self, n):
        """True: it came to that allocation."""
        directory = self.path(str(n))
        os.mkdir(directory)
        daemon = Starved(directory, env={"SYNCD_STARVE": str(n)})
        put, done, unsure = self.use(daemon)
        log = "\n".join(daemon.log)
        self.assertIsNone(harness.SANITIZER.search(log), log)
        status = daemon.stop()
        self.assertIn(status, (0, OUT_OF_MEMORY), f"{n}: {log}")
        self.check(directory, n, put, done, unsure)
        shutil.rmtree(directory)
        return status == OUT_OF_MEMORY

    def use(self, daemon):
        """Ids of jobs whose put was answered, whose done was, and which may
        be done."""
        put, done, unsure = set(), set(), set()
        try:
            daemon.start()
            with daemon.client() as client:
                client.call("session.open", grace=30)
                client.call("lock.acquire", lock="l", timeout=0)
                client.call("event.set", event="e")
                for round in range(6):
                    put |= set(client.call("queue.put", queue="q", bodies=[
                        "x" * 100 * round, {"a": [1, 2]}])["ids"])
                    job = client.call("queue.get", queue="q")["jobs"][0]
                    unsure.add(job["id"])
                    client.call("queue.done", id=job["id"],
                                token=job["token"])
                    done.add(job["id"])
                client.call("rpc.discover")
        except (AssertionError, OSError, harness.Closed):
            daemon.wait_exit()
        return put, done, unsure

    def check(self, directory, n, put, done, unsure):
        daemon = harness.Daemon(directory).start()
        with daemon.client() as client:
            left = set()
            while jobs := client.call("queue.get", queue="q", max=1000,
                                      take=True, timeout=0)["jobs"]:
                left |= {job["id"] for job in jobs}
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(put - unsure - left, set(), f"lost, {n}")
        self.assertEqual(done & left, set(), f"came back, {n}")


if __name__ == "__main__":
    if len(sys.argv) > 3:
        POINTS = list(range(*map(int, sys.argv[1:4])))
        del sys.argv[1:4]
    harness.main()
