#!/usr/bin/env python3
"""The daemon out of memory, at one allocation after the other.

`syncd_starved` is the daemon with a heap that runs dry at the n-th allocation
(tests/starve.h), be it its own, SQLite's, jansson's or libuv's. A script with
something of every kind in it runs against it. It ends with a status of its own
(or answers `unavailable`), and all that it had answered is there when another
one starts.

    e2e_daemon_memory.py BIN                        some n, as a test
    e2e_daemon_memory.py BIN --every K [--jobs N]   every K-th, until there is
                                                    none any more
"""

import argparse
import concurrent.futures
import os
import shutil
import sys
import tempfile

import harness

OUT_OF_MEMORY = 71

# Growing steps: many allocations are made while it starts.
POINTS = [1, 2, 3, 7, 20, 60, 150, 400, 700, 1000, 1200, 1500, 2000, 2300,
          2700, 3100, 3500, 3900, 4400, 4900, 5500, 6200, 7000, 8000]

ROUNDS = 3


class Starved(harness.Daemon):
    def _command(self):
        command = super()._command()
        command[0] = os.path.join(harness.BIN, "syncd_starved")
        return command


class Wrong(Exception):
    """Something acknowledged is missing."""


class Story:
    """What is asked of a daemon, and what must hold once it was answered."""

    def __init__(self, client):
        self.client = client
        self.facts = []
        self.session = None

    def call(self, method, **params):
        """The result. `unavailable` is the end of the story, too."""
        try:
            return self.client.call(method, **params)
        except harness.RpcError as error:
            if error.name == "unavailable":
                raise harness.Closed() from error
            raise

    def fact(self, what, holds, method, **params):
        """From now on that call has a result of which this holds."""
        self.facts.append((what, holds, method, params))

    def run(self):
        opened = self.call("session.open", grace=600, client="story")
        self.session = {key: opened[key] for key in ("session", "secret")}
        for number in range(ROUNDS):
            self.put(f"q{number}")
            self.work(f"w{number}", number)
            self.declare(f"d{number}", number)
            self.hold(f"h{number}")
            self.batch(f"b{number}")
            self.wait(f"x{number}")
            self.look()

    def put(self, queue):
        bodies = ["x" * 300, {"a": [1, 2]}, 3.5]
        for id in self.call("queue.put", queue=queue, bodies=bodies)["ids"]:
            self.fact("a job", lambda job: job["state"] == "ready",
                      "job.show", id=id)
        id = self.call("queue.put", queue=queue, body=1, key="k", priority=7,
                       delay=9000, after=[f"never {queue}"])["id"]
        self.fact("a held job", lambda job: job["state"] == "held",
                  "job.show", id=id)

    def work(self, queue, number):
        ids = self.call("queue.put", queue=queue, keep_done=9000,
                        bodies=["y" * 200 * number, 2, 3])["ids"]
        jobs = self.call("queue.get", queue=queue, max=3)["jobs"]
        token = jobs[0]["token"]
        self.call("queue.extend", ids=ids, token=token, progress="half")
        self.call("queue.done", id=ids[0], token=token, result={"is": "fine"})
        self.fact("a done job", lambda job: job["state"] == "done"
                  and job["result"] == {"is": "fine"}, "job.show", id=ids[0])
        self.call("queue.fail", id=ids[1], token=token, dead=True,
                  error="broken")
        self.fact("a dead job", lambda job: job["state"] == "dead"
                  and job["error"] == "broken", "job.show", id=ids[1])
        self.fact("a lease", lambda job: job["state"] == "running",
                  "job.show", id=ids[2])

    def declare(self, name, number):
        self.call("queue.declare", queue=name, capacity=number + 5)
        self.fact("a queue", lambda queue: queue["capacity"] == number + 5,
                  "queue.show", queue=name)
        self.call("queue.pause", queue=name)
        self.fact("a pause", lambda queue: queue["paused"],
                  "queue.show", queue=name)
        self.call("event.set", event=name)
        self.fact("an event", lambda event: event["set"],
                  "event.show", event=name)
        self.call("semaphore.declare", semaphore=name, value=4)
        self.fact("a semaphore", lambda semaphore: semaphore["value"] == 4,
                  "semaphore.show", semaphore=name)

    def hold(self, name):
        token = self.call("lock.acquire", lock=name)["token"]
        self.fact("a lock", lambda lock: lock["held"]
                  and lock["token"] == token, "lock.show", lock=name)
        self.call("semaphore.acquire", semaphore=name, value=3, permits=2)
        self.fact("permits", lambda semaphore: semaphore["free"] == 1,
                  "semaphore.show", semaphore=name)

    def batch(self, name):
        self.call("batch.create", batch=name, stages=["one", "two"])
        self.call("queue.put", queue=name, body=1, batch=name, stage="one")
        id = self.call("queue.put", queue=name, body=2, batch=name,
                       stage="two")["id"]
        self.call("batch.seal", batch=name)
        self.fact("a batch", lambda batch: batch["sealed"],
                  "batch.show", batch=name)
        job = self.call("queue.get", queue=name)["jobs"][0]
        self.call("queue.done", id=job["id"], token=job["token"])
        self.fact("a stage", lambda job: job["state"] == "ready",
                  "job.show", id=id)

    def wait(self, name):
        """Waits that come to nothing, and one of each kind that is woken."""
        client = self.client
        waits = [
            client.send("queue.get", queue=name),
            client.send("event.wait", event=name),
            client.send("barrier.wait", barrier=name, parties=2),
            client.send("semaphore.acquire", semaphore=name, value=0),
        ]
        self.call("queue.join", queue=name, timeout=0)
        for id in waits:
            self.call("session.cancel", request=id)
        self.call("barrier.abort", barrier=name)
        self.fact("a broken barrier", lambda barrier: barrier["broken"],
                  "barrier.show", barrier=name)
        token = self.call("lock.acquire", lock=name)["token"]
        self.call("condition.wait", condition=name, lock=name, token=token,
                  timeout=0)

    def look(self):
        for method in ("queue.list", "job.list", "lock.list", "batch.list",
                       "server.stats", "server.info", "rpc.discover"):
            self.call(method)


def tell(directory, n):
    """One story; the daemon's status, and what must be there."""
    daemon = Starved(directory, env={"SYNCD_STARVE": str(n)})
    story = client = None
    try:
        daemon.start()
        client = daemon.client()
        story = Story(client)
        story.run()
    except (AssertionError, OSError, harness.Closed):
        daemon.wait_exit()
    log = "\n".join(daemon.log)
    if harness.SANITIZER.search(log):
        raise Wrong(f"{n}: {log}")
    status = daemon.stop()
    if client is not None:
        client.close()  # not before: its session would end with it
    if status not in (0, OUT_OF_MEMORY):
        raise Wrong(f"{n}: it ended with {status}: {log}")
    return status, story


def check(directory, n, story):
    """All that was answered is there, and the session with what it holds."""
    daemon = harness.Daemon(directory).start()
    try:
        with daemon.client() as client:
            client.last_id = 10 ** 6  # those of the story have their answers
            if story.session is not None:
                opened = client.call("session.open", resume=story.session,
                                     grace=600)
                if not opened["resumed"]:
                    raise Wrong(f"{n}: the session is lost")
            for what, holds, method, params in story.facts:
                found = client.call(method, **params)
                if not holds(found):
                    raise Wrong(f"{n}: {what} is lost: {params}: {found}")
    except harness.RpcError as error:
        raise Wrong(f"{n}: {error}") from error
    finally:
        status = daemon.stop()
    if status != 0:
        raise Wrong(f"{n}: the next one ended with {status}")


def starve(n):
    """True: it came to that allocation."""
    parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    directory = tempfile.mkdtemp(prefix="syncd-memory-", dir=parent)
    try:
        status, story = tell(directory, n)
        if story is not None:
            check(directory, n, story)
        return status == OUT_OF_MEMORY
    finally:
        shutil.rmtree(directory)


class Memory(harness.TestCase):
    def test_what_was_answered_is_there(self):
        starved = sum(starve(n) for n in POINTS)
        print(f"{starved} of {len(POINTS)} ended for want of memory",
              file=sys.stderr)
        self.assertGreater(starved, 15)
        self.assertFalse(starve(10 ** 9))


def campaign(every, jobs):
    """From the first on, until some run does not come to its allocation."""
    runs, last, n, more = 0, 0, 1, True
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        while more:
            numbers = range(n, n + 64 * every, every)
            for number, starved in zip(numbers, pool.map(starve, numbers)):
                runs += starved
                last = number if starved else last
                more = more and starved
            n += 64 * every
    print(f"{runs} runs, the last out of memory at allocation {last}, one for "
          f"each {every}: all that was answered was there")


def main():
    if "--every" not in sys.argv:
        harness.main()
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    campaign(options.every, options.jobs)


if __name__ == "__main__":
    main()
