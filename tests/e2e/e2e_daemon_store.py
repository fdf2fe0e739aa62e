#!/usr/bin/env python3
"""The daemon and its disk: killed, full, failing, damaged."""

import os
import shutil
import signal
import subprocess
import threading
import time
import unittest

import harness


def drain(client, queue="q"):
    """The ids of all ready jobs, each taken once."""
    ids = []
    while jobs := client.call("queue.get", queue=queue, max=1000, take=True,
                              timeout=0)["jobs"]:
        ids += [job["id"] for job in jobs]
    return ids


class Killed(harness.TestCase):
    def test_nothing_acknowledged_is_lost(self):
        daemon = self.daemon()
        self.client(daemon).call("queue.declare", queue="q", capacity=0)
        put, done, unknown = set(), set(), set()
        for _ in range(10):
            before = len(put) + len(done)
            threads = [threading.Thread(target=self.produce,
                                        args=(daemon, put)),
                       threading.Thread(target=self.consume,
                                        args=(daemon, done, unknown))]
            for thread in threads:
                thread.start()
            self.wait_until(lambda: len(put) + len(done) > before + 300,
                            "load")
            daemon.kill()
            for thread in threads:
                thread.join()
            daemon.start()
        left = drain(self.client(daemon))
        self.assertEqual(len(left), len(set(left)))
        # Of a done that had no answer nobody knows whether it was carried out.
        self.assertEqual(put - done - unknown - set(left), set(), "lost")
        self.assertEqual(done & set(left), set(), "came back")

    def produce(self, daemon, put):
        try:
            with daemon.client() as client:
                while True:
                    ids = [client.send("queue.put", queue="q", body=n)
                           for n in range(20)]
                    put.update(client.wait(id)["id"] for id in ids)
        except (harness.Closed, OSError):
            pass

    def consume(self, daemon, done, unknown):
        try:
            with daemon.client() as client:
                while True:
                    job = client.call("queue.get", queue="q")["jobs"][0]
                    unknown.add(job["id"])
                    client.call("queue.done", id=job["id"],
                                token=job["token"])
                    done.add(job["id"])
                    unknown.remove(job["id"])
        except (harness.Closed, OSError):
            pass

    def test_tokens_and_ids_never_come_again(self):
        daemon = self.daemon()
        last_id = last_token = 0
        for _ in range(5):
            client = self.client(daemon)
            id = client.call("queue.put", queue="q", body=1)["id"]
            token = client.call("queue.get", queue="q")["jobs"][0]["token"]
            self.assertGreater(id, last_id)
            self.assertGreater(token, last_token)
            last_id, last_token = id, token
            daemon.kill()
            daemon.start()


@unittest.skipUnless(os.getuid() == 0, "only root can mount a small disk")
class Full(harness.TestCase):
    def setUp(self):
        super().setUp()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=32m,mode=700", "tmpfs",
             self.directory], capture_output=True)
        if mounted.returncode != 0:
            self.skipTest("nothing can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", self.directory])

    def test_puts_are_refused_and_come_back(self):
        daemon = self.daemon()
        client = self.client(daemon)
        client.call("queue.declare", queue="q", capacity=0)
        stored = []
        body = "x" * 100000

        def put():
            stored.append(client.call("queue.put", queue="q", body=body)["id"])

        def put_until_full():
            while True:
                put()
        error = self.assertRpcError("unavailable", put_until_full)
        self.assertTrue(error.data["retryable"])
        daemon.wait_log("the disk is full: ")
        # What frees room still works, and is kept.
        jobs = client.call("queue.get", queue="q", max=1000)["jobs"]
        client.call("queue.done", ids=[job["id"] for job in jobs],
                    token=jobs[0]["token"])
        rest = drain(client)
        self.assertEqual([job["id"] for job in jobs] + rest, stored)
        # Somebody who tries again is what makes the daemon look for room.
        def room():
            try:
                put()
                return True
            except harness.RpcError as error:
                self.assertEqual(error.name, "unavailable")
                time.sleep(0.05)
                return False
        self.wait_until(room, "room")
        daemon.wait_log("there is room on the disk again")
        daemon.restart()
        self.assertEqual(drain(self.client(daemon)), stored[-1:])

    def test_nothing_else_is_added_and_workers_go_on(self):
        daemon = self.daemon()
        client = self.client(daemon)
        client.call("queue.declare", queue="q", capacity=0)
        graced = self.client(daemon)
        graced.call("session.open", client="graced", grace=60)
        stored = []
        with self.assertRaises(harness.RpcError):
            while True:
                stored.append(client.call("queue.put", queue="q",
                                          body="x" * 100000)["id"])
        count = 2000
        self.assertEqual(self.flood(graced, count), {
            "lock.acquire": {"unavailable": count},
            "semaphore.acquire": {"unavailable": count},
            "event.set": {"unavailable": count},
            "batch.create": {"unavailable": count},
            "queue.declare": {"unavailable": count},
            "barrier.abort": {"unavailable": count}})
        # Sessions without a row of their own hold what they like.
        workers = []
        for number in range(300):
            worker = self.client(daemon)
            worker.call("session.open", client=f"{number}" * 40, grace=60)
            worker.call("lock.acquire", lock=f"{number}")
            workers.append(worker)
        taken = []
        for number in range(len(stored) - 1):
            worker = workers[number % len(workers)]
            job = worker.call("queue.get", queue="q")["jobs"][0]
            taken.append(job["id"])
            worker.call("queue.done", id=job["id"], token=job["token"],
                        result="y" * 10000)
        self.assertEqual(taken, stored[:-1])
        self.wait_until(lambda: not client.call("server.stats")["gauges"]
                        ["disk_full"], "room")
        graced.call("event.set", event="e")
        locks = client.call("lock.list", limit=1000)["locks"]
        self.assertEqual(len(locks), len(workers))
        daemon.restart()
        client = self.client(daemon)
        self.assertEqual(drain(client), stored[-1:])
        self.assertTrue(client.call("event.show", event="e")["set"])

    def test_not_even_a_reserve(self):
        """Nobody is answered who waits for the disk, and nothing is lost:
        what was asked is carried out when there is room."""
        daemon = self.daemon()
        client = self.client(daemon)
        first = client.call("queue.put", queue="q", body="x" * 100000)["id"]
        daemon.stop()
        os.unlink(os.path.join(daemon.data, "syncd.reserve"))
        filler = self.fill_up()
        daemon.start()
        client, other = self.client(daemon), self.client(daemon)
        put = client.send("queue.put", queue="q", body="y" * 100000)
        daemon.wait_log("nothing is written")
        self.assertRpcError("unavailable", other.call, "queue.put", queue="q",
                            body=1)
        # If numbers were reserved before the put came, it was that batch which
        # found no room, and the put is refused.
        refused = client.has_input()
        if refused:
            self.assertRpcError("unavailable", client.wait, put)
        os.unlink(filler)
        if not refused:
            second = client.wait(put)["id"]
        self.wait_until(lambda: not client.call("server.stats")["gauges"]
                        ["disk_full"], "room")
        if refused:
            second = client.call("queue.put", queue="q", body="y")["id"]
        daemon.restart()
        self.assertEqual(drain(self.client(daemon)), [first, second])

    def test_the_end_on_a_full_disk(self):
        daemon = self.daemon()
        daemon.stop()
        os.unlink(os.path.join(daemon.data, "syncd.reserve"))
        filler = self.fill_up()
        daemon.start()
        client = self.client(daemon)
        client.send("queue.put", queue="q", body="y" * 100000)
        daemon.wait_log("nothing is written")
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.wait_exit(), 74)
        os.unlink(filler)
        self.assertEqual(drain(self.client(daemon.start())), [])

    def fill_up(self):
        """All the room there is."""
        path = os.path.join(self.directory, "filler")
        with open(path, "wb") as file:
            size = 0
            for step in (1 << 20, 1 << 12):
                try:
                    while True:
                        os.posix_fallocate(file.fileno(), size, step)
                        size += step
                except OSError:
                    pass
        return path

    def flood(self, client, count):
        """How often each method had which outcome."""
        params = {"lock.acquire": {"lock": "{}"},
                  "semaphore.acquire": {"semaphore": "{}", "value": 9},
                  "event.set": {"event": "{}"},
                  "batch.create": {"batch": "{}", "stages": ["a"]},
                  "queue.declare": {"queue": "{}"},
                  "barrier.abort": {"barrier": "{}"}}
        seen = {method: {} for method in params}
        for number in range(count):
            sent = [(client.send(method, **{
                key: value.format(number) if value == "{}" else value
                for key, value in given.items()}), method)
                for method, given in params.items()]
            for id, method in sent:
                try:
                    client.wait(id)
                    name = "ok"
                except harness.RpcError as error:
                    name = error.name
                seen[method][name] = seen[method].get(name, 0) + 1
        return seen


class Failing(harness.TestCase):
    def test_failure_is_final_and_nobody_is_answered(self):
        """Beyond a limit on the size of files every write fails (EFBIG)."""
        daemon = self.make_daemon()
        daemon.file_bytes_max = 12 << 20
        daemon.start()
        client = self.client(daemon)
        client.call("queue.declare", queue="q", capacity=0)
        stored = []
        try:
            while True:
                stored.append(client.call("queue.put", queue="q",
                                          body="x" * 100000)["id"])
        except harness.Closed:
            pass
        self.assertEqual(daemon.wait_exit(), 74)
        self.assertIn("the store failed", "\n".join(daemon.log))
        daemon.file_bytes_max = None
        daemon.start()
        left = drain(self.client(daemon))
        self.assertEqual(set(stored) - set(left), set())
        # At most the one whose answer did not come.
        self.assertLessEqual(len(set(left) - set(stored)), 1)

    def test_damaged_data_is_refused(self):
        daemon = self.daemon()
        self.client(daemon).call("queue.put", queue="q", body="x" * 100000)
        daemon.stop()
        database = os.path.join(daemon.data, "syncd.db")
        with open(database, "r+b") as file:
            size = file.seek(0, os.SEEK_END)
            for at in range(4096, size, 4096):
                file.seek(at + 100)
                file.write(b"garbage" * 100)
        before = self.content(database)
        daemon.launch()
        self.assertIn(daemon.wait_exit(), (73, 74))
        self.assertEqual(before, self.content(database))
        self.assertFalse(os.path.exists(daemon.socket_path))

    @unittest.skipUnless(shutil.which("sqlite3"), "needs sqlite3")
    def test_what_the_message_says_saves_it(self):
        daemon = self.daemon()
        client = self.client(daemon)
        bodies = [f"job {n} " + "x" * 3000 for n in range(200)]
        ids = client.call("queue.put", queue="q", bodies=bodies)["ids"]
        daemon.stop()
        database = os.path.join(daemon.data, "syncd.db")
        rotten = self.content(database).replace(b"job 150 xx", b"job 150 xy")
        with open(database, "wb") as file:
            file.write(rotten)
        daemon.launch()
        self.assertIn(daemon.wait_exit(), (73, 74))
        line = next(line for line in daemon.log if "is damaged" in line)
        self.assertIn("the sum of a page is wrong", line)
        command = line.split("save what can be read: ")[1]
        subprocess.run(["sh", "-c", command], check=True, cwd=daemon.data)
        client = self.client(daemon.start())
        self.assertEqual(drain(client), ids)

    def content(self, path):
        with open(path, "rb") as file:
            return file.read()

    def test_data_that_cannot_be_had(self):
        self.write("data", "a file where the directory should be")
        daemon = self.make_daemon().launch()
        self.assertEqual(daemon.wait_exit(), 73)


@unittest.skipUnless(shutil.which("strace"), "strace holds the disk up")
class Stuck(harness.TestCase):
    """A disk that does not come back: an fsync that takes half a minute."""

    def hold_up(self, daemon):
        strace = subprocess.Popen(
            ["strace", "-f", "-q", "-o", "/dev/null",
             "-e", "trace=fsync,fdatasync",
             "-e", "inject=fsync,fdatasync:delay_enter=30000000",
             "-p", str(daemon.pid)], stderr=subprocess.DEVNULL)
        self.addCleanup(strace.wait)
        self.addCleanup(strace.kill)
        self.wait_until(lambda: self.is_traced(daemon) or strace.poll(),
                        "strace")
        if strace.poll() is not None:
            self.skipTest("processes cannot be traced here")
        return strace

    def is_traced(self, daemon):
        tasks = f"/proc/{daemon.pid}/task"
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/status") as status:
                if "TracerPid:\t0\n" in status.read():
                    return False
        return True

    def test_nobody_is_answered_and_others_are_served(self):
        daemon = self.daemon(watchdog_us=300000)
        client, other = self.client(daemon), self.client(daemon)
        client.call("queue.put", queue="q", body=1)
        strace = self.hold_up(daemon)
        client.send("queue.put", queue="q", body=2)
        self.wait_until(
            lambda: other.call("server.info") and any(
                "has not answered" in line for line in daemon.log),
            "complaint about the store")
        fed = daemon.count_notified("WATCHDOG=1")
        time.sleep(0.5)  # in which it would be fed again
        self.assertEqual(daemon.count_notified("WATCHDOG=1"), fed)
        self.assertFalse(client.has_input())
        # It ends all the same, with a status of its own; the tracer has to
        # let go before the process is gone.
        daemon.signal(signal.SIGTERM)
        daemon.wait_log("did not answer before the end")
        strace.kill()
        self.assertEqual(daemon.wait_exit(), 74)


if __name__ == "__main__":
    harness.main()
