#!/usr/bin/env python3
"""The examples of proto/PROTOCOL.md, sent to a real daemon.

Each section's example runs against a fresh daemon in which what it talks of
was done before (BEFORE below). Each must be answered with a result, or with
an error if that is what stands there; and where the answer is printed, it must
have the same members, of the same types, and the same values but for times,
numbers given out, and what tells daemons apart.
"""
import json
import os
import re

import harness

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))

# What differs from run to run.
VARYING = {"id", "ids", "token", "session", "secret", "pid", "uptime",
           "version", "put_at", "until", "due", "next"}

PUT = ("queue.put", {"queue": "mail", "body": {"to": "ada@example.org"},
                     "keep_done": 60})
GET = ("queue.get", {"queue": "mail"})
DONE = ("queue.done", {"result": "sent"})
LOCK = ("lock.acquire", {"lock": "backup"})
SEMAPHORE = ("semaphore.declare", {"semaphore": "downloads", "value": 3})
PERMIT = ("semaphore.acquire", {"semaphore": "downloads", "value": 3})
BATCH = ("batch.create", {"batch": "nightly",
                          "stages": ["fetch", "process", "save"]})
BEFORE = {
    "queue.get": [PUT],
    "queue.done": [PUT, GET], "queue.fail": [PUT, GET],
    "queue.extend": [PUT, GET],
    "queue.join": [PUT, GET, DONE],
    "queue.purge": [PUT], "queue.delete": [("queue.declare",
                                            {"queue": "mail"})],
    "queue.pause": [PUT], "queue.resume": [PUT], "queue.close": [PUT],
    "queue.open": [PUT], "queue.show": [PUT], "queue.list": [PUT],
    "job.show": [PUT], "job.list": [PUT], "job.wait": [PUT, GET, DONE],
    "job.retry": [PUT], "job.cancel": [PUT],
    "lock.release": [LOCK], "lock.show": [LOCK], "lock.list": [LOCK],
    "condition.wait": [LOCK],
    "semaphore.release": [PERMIT], "semaphore.show": [PERMIT],
    "semaphore.delete": [SEMAPHORE],
    "barrier.pass": [("barrier.wait", {"barrier": "phase1", "parties": 1,
                                       "action": True})],
    "batch.seal": [BATCH], "batch.wait": [BATCH], "batch.show": [BATCH],
    "batch.cancel": [BATCH], "batch.retry": [BATCH], "batch.delete": [BATCH],
}


def examples():
    """[(section, request, reply or None)] in the order of the page."""
    with open(os.path.join(TOP, "proto/PROTOCOL.md"),
              encoding="utf-8") as file:
        parts = re.split(r"^#{2,3} (.*)$", file.read(), flags=re.M)
    for title, body in zip(parts[1::2], parts[2::2]):
        for request, reply in re.findall(r"^→ (.*)\n(?:← (.*)\n)?", body,
                                         flags=re.M):
            yield (title.strip("`"), json.loads(request),
                   json.loads(reply) if reply else None)


def differences(said, got, where=""):
    """What the page says, held against what came."""
    key = where.rpartition(".")[2]
    if isinstance(said, dict) and isinstance(got, dict):
        for name in sorted(set(said) | set(got)):
            if name not in said or name not in got:
                yield (f"{where}.{name}: "
                       f"{'not told' if name in got else 'did not come'}")
            else:
                yield from differences(said[name], got[name],
                                       f"{where}.{name}")
    elif isinstance(said, list) and isinstance(got, list):
        if len(said) != len(got):
            yield f"{where}: {len(got)} members, not {len(said)}"
        for one, other in zip(said, got):
            yield from differences(one, other, where)
    elif kind(said) != kind(got):
        yield f"{where}: {got!r}, not {said!r}"
    elif key not in VARYING and said != got:
        yield f"{where}: {got!r}, not {said!r}"


def kind(value):
    return "number" if type(value) in (int, float) else type(value).__name__


def prepare(client, steps):
    """Does what was done before; the id and token of the job there is."""
    job = {}
    for method, params in steps:
        if method == "queue.done":
            params = dict(params, **job)
        result = client.call(method, **params)
        if method == "queue.put":
            job = {"id": result["id"]}
        elif method == "queue.get":
            job["token"] = result["jobs"][0]["token"]
        elif method == "lock.acquire":
            job["token"] = result["token"]
    return job


def with_real_numbers(params, job):
    return {name: job.get(name, value) for name, value in params.items()}


class Examples(harness.TestCase):
    def check(self, section, said, reply):
        """One example; a daemon of its own."""
        os.mkdir(self.path(section))
        daemon = self.daemon(directory=self.path(section))
        client = self.client(daemon)
        job = prepare(client, BEFORE.get(section, []))
        got = client.reply(client.send(
            said["method"], **with_real_numbers(said.get("params", {}), job)))
        daemon.stop()
        name = "error" if reply and "error" in reply else "result"
        self.assertIn(name, got)
        if reply:
            self.assertEqual([], list(differences(reply[name], got[name])))

    def test_all(self):
        count = 0
        for section, said, reply in examples():
            with self.subTest(section):
                self.check(section, said, reply)
            count += 1
        self.assertGreaterEqual(count, 57)


if __name__ == "__main__":
    harness.main()
