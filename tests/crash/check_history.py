#!/usr/bin/env python3
"""The checks of histories find what they are there for: each story below is a
few records, and the one check that must complain of it, or none."""
import json
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import checks  # noqa: E402
import history  # noqa: E402

QUEUES = {"q": {"capacity": 2, "concurrency": 1}, "main": {"capacity": 0},
          "taken": {"capacity": 1}}
# A daemon from 0 to 100, another one from 110.
LIVES = [[0, "launch", 1], [1, "ready", 1], [100, "kill", 1],
         [110, "launch", 2], [111, "ready", 2]]
FAR = 1e12  # the end of a lease


def put(n, at, back, tag, id, queue="q", pid=1, **more):
    return [[at, "call", n, "queue.put",
             {"queue": queue, "tags": [tag], **more}],
            [back, "back", n, {"id": id}]]


def get(n, at, back, id, token, tag, queue="q", until=FAR, attempt=1, **more):
    return [[at, "call", n, "queue.get", {"queue": queue, "max": 1, **more}],
            [back, "back", n, {"jobs": [[id, token, tag, attempt, until]],
                               "finished": None}]]


def done(n, at, back, id, token, result=None):
    result = {} if result is None else result
    return [[at, "call", n, "queue.done", {"id": id, "token": token}],
            [back, "back", n, result]]


def acquire(n, at, back, token, method="lock.acquire", **params):
    return [[at, "call", n, method, params],
            [back, "back", n, {"acquired": True, "token": token}]]


def join(n, at, back, queue="q"):
    return [[at, "call", n, "queue.join", {"queue": queue}],
            [back, "back", n, {"joined": True, "dead": 0}]]


def asked(n, at, back, method, params, result):
    return [[at, "call", n, method, params], [back, "back", n, result]]


def refused(n, at, back, method, params, name):
    return [[at, "call", n, method, params], [back, "error", n, name]]


UP, UP2 = [[2, "up", 1, 0, False]], [[112, "up", 2, 0, False]]
KEPT = [[2, "up", 1, 7, False]]
LOCK = {"lock": "l"}
PERMIT = {"semaphore": "s", "permits": 2, "method": "semaphore.acquire"}
WAIT = {"barrier": "b", "parties": 2}
JOB = UP + put(1, 10, 11, "t1", 5)
STAGES = (UP + put(1, 10, 11, "t1", 5, batch="n", stage="one")
          + put(2, 12, 13, "t2", 6, batch="n", stage="two"))

# What is told: (check or None, {client: records}).
STORIES = {
    "a job's life": (None, {
        "a": JOB, "w": UP + get(1, 12, 13, 5, 9, "t1")
        + done(2, 14, 15, 5, 9)}),
    "altered": ("bodies_come_back_as_put", {
        "a": JOB, "w": UP + [[13, "corrupt", "t1"]]}),
    "made up": ("each_put_makes_one_job", {
        "w": UP + get(1, 12, 13, 5, 9, "t1")}),
    "twice one put": ("each_put_makes_one_job", {
        "a": JOB, "w": UP + get(1, 12, 13, 6, 9, "t1")
        + done(2, 14, 15, 6, 9)}),
    "refused and there": ("each_put_makes_one_job", {
        "a": UP + refused(1, 10, 11, "queue.put",
                          {"queue": "q", "tags": ["t1"]}, "queue_full"),
        "w": UP + get(1, 12, 13, 5, 9, "t1")}),
    "handed out before it was on disk": (None, {
        "a": KEPT + [[10, "call", 1, "queue.put",
                      {"queue": "q", "tags": ["t1"]}],
                     [101, "down"], [112, "up", 2, 7, True],
                     [113, "again", 1], [114, "back", 1, {"id": 6}]],
        "w": UP + get(1, 12, 13, 5, 9, "t1")}),
    "done and back": ("finished_jobs_never_come_back", {
        "a": JOB, "w": UP + get(1, 12, 13, 5, 9, "t1")
        + done(2, 14, 15, 5, 9) + get(3, 16, 17, 5, 10, "t1")}),
    "done and back after a kill": ("finished_jobs_never_come_back", {
        "a": JOB, "w": UP + get(1, 12, 13, 5, 9, "t1")
        + done(2, 14, 15, 5, 9) + [[101, "down"]] + UP2
        + get(3, 116, 117, 5, 10, "t1")}),
    "taken twice": ("jobs_taken_are_handed_out_once", {
        "a": UP + put(1, 10, 11, "t1", 5, "taken"),
        "w": UP + get(1, 12, 13, 5, 9, "t1", "taken", take=True)
        + get(2, 14, 15, 5, 10, "t1", "taken", take=True)}),
    "leased twice": ("jobs_are_leased_to_one", {
        "a": JOB, "w": UP + get(1, 12, 13, 5, 9, "t1"),
        "v": UP + get(1, 14, 15, 5, 10, "t1")
        + [[20, "close"]], "x": UP}),
    "given back by a kill": (None, {
        "a": JOB, "w": UP + get(1, 12, 13, 5, 9, "t1") + [[101, "down"]],
        "v": UP2 + get(1, 114, 115, 5, 10, "t1")}),
    "a lease lost": ("leases_last", {
        "a": JOB, "w": UP + get(1, 12, 13, 5, 9, "t1")
        + done(2, 14, 15, 5, 9, {"done": 0, "stale": [5]})}),
    "a lease lost over a restart": ("leases_last", {
        "a": JOB + put(2, 14, 15, "t2", 6),
        "w": KEPT + get(1, 12, 13, 5, 9, "t1") + [
            [101, "down"], [112, "up", 2, 7, True]]
        + done(2, 114, 115, 5, 9, {"done": 0, "stale": [5]})}),
    "too many": ("capacity_is_never_exceeded", {
        "a": JOB + put(2, 12, 13, "t2", 6) + put(3, 14, 15, "t3", 7)}),
    "too many running": ("concurrency_is_never_exceeded", {
        "a": JOB + put(2, 12, 13, "t2", 6),
        "w": UP + get(1, 14, 15, 5, 9, "t1"),
        "v": UP + get(1, 14, 15, 6, 10, "t2") + [[20, "close"]]}),
    "too many permits": ("semaphores_never_exceed_their_value", {
        "a": UP + acquire(1, 10, 11, 9, **PERMIT) + [[20, "close"]],
        "b": UP + acquire(1, 12, 13, 10, **PERMIT) + [[20, "close"]]}),
    "out of order": ("producers_are_served_in_order", {
        "a": UP + put(1, 10, 11, "t1", 5, "main")
        + put(2, 12, 13, "t2", 6, "main"),
        "w": UP + get(1, 14, 15, 6, 9, "t2", "main")
        + get(2, 16, 17, 5, 10, "t1", "main")}),
    "out before, and back late": (None, {
        "a": UP + put(1, 10, 11, "t1", 5, "main")
        + put(2, 12, 13, "t2", 6, "main"),
        "w": UP + get(1, 14, 15, 6, 9, "t2", "main")
        + get(2, 16, 17, 5, 10, "t1", "main", attempt=2)}),
    "joined too soon": ("join_returns_when_all_is_finished", {
        "a": JOB, "o": UP + join(1, 20, 21)}),
    "joined": (None, {
        "a": JOB, "w": UP + get(1, 12, 13, 5, 9, "t1")
        + done(2, 14, 15, 5, 9), "o": UP + join(1, 12, 21)}),
    "two holders": ("locks_have_one_holder", {
        "a": UP + acquire(1, 10, 11, 9, **LOCK) + [[20, "close"]],
        "b": UP + acquire(1, 12, 13, 10, **LOCK) + [[20, "close"]]}),
    "held over a restart, and by another": ("locks_have_one_holder", {
        "a": KEPT + acquire(1, 10, 11, 9, **LOCK)
        + [[101, "down"], [112, "up", 2, 7, True], [130, "close"]],
        "b": UP2 + acquire(1, 114, 115, 10, **LOCK) + [[120, "close"]]}),
    "not held any more": ("holders_can_release", {
        "a": UP + acquire(1, 10, 11, 9, **LOCK)
        + refused(2, 12, 13, "lock.release", {"lock": "l", "token": 9},
                  "stale_token")}),
    "released alone": ("barriers_release_all_or_none", {
        "a": UP + asked(1, 10, 11, "barrier.wait", WAIT,
                        {"index": 0, "generation": 0}),
        "b": UP + asked(1, 12, 13, "barrier.wait", WAIT,
                        {"index": 1, "generation": 0})}),
    "a token again": ("numbers_grow", {
        "a": UP + acquire(1, 10, 11, 9, **LOCK) + [[12, "close"]]
        + [[13, "up", 1, 0, False]] + acquire(2, 14, 15, 9, **LOCK)}),
    "a smaller token after a restart": ("numbers_grow", {
        "a": UP + acquire(1, 10, 11, 9, **LOCK) + [[101, "down"]] + UP2
        + acquire(2, 114, 115, 8, **LOCK)}),
    "a smaller id": ("numbers_grow", {
        "a": JOB + put(2, 12, 13, "t2", 4)}),
    "a stage too soon": ("stages_pass_in_order", {
        "a": STAGES, "w": UP + get(1, 20, 21, 6, 9, "t2")}),
    "a stage in time": (None, {
        "a": STAGES, "w": UP + get(1, 20, 21, 5, 9, "t1")
        + done(2, 22, 23, 5, 9) + get(3, 24, 25, 6, 10, "t2")}),
    "a batch too soon": ("stages_pass_in_order", {
        "a": STAGES + asked(3, 30, 31, "batch.wait", {"batch": "n"},
                            {"passed": True, "state": "done"})}),
    "a key twice": ("keys_are_of_one_job", {
        "a": UP + put(1, 10, 11, "t1", 5, key="k")
        + put(2, 12, 13, "t2", 6, key="k")}),
    "forgotten": ("sessions_are_kept", {
        "a": KEPT + [[101, "down"], [112, "up", 2, 8, False]]}),
    "cut off": ("nobody_is_cut_off", {
        "a": UP + [[50, "down"]]}),
    "left": ("nothing_is_left", {}),
    "lost": ("nothing_acknowledged_is_lost", {"a": JOB}),
    "a counter off": ("counters_count", {
        "a": UP + asked(1, 10, 11, "semaphore.release", {"semaphore": "c"},
                        {"free": 1})}),
}
AT_END = {"permits": {"free": 3, "value": 3}, "counter": {"free": 0},
          "queues": []}
DRAINED = {"lost": AT_END, "a counter off": AT_END,
           "left": dict(AT_END, queues=[{"counts": {"ready": 1}}])}


def write(path, lines):
    with open(path, "w") as file:
        for line in lines:
            file.write(json.dumps(line) + "\n")


class Stories(unittest.TestCase):
    def found(self, name, records):
        with tempfile.TemporaryDirectory() as directory:
            write(os.path.join(directory, "swarm.rec"), LIVES)
            for client, lines in records.items():
                write(os.path.join(directory, f"{client}.1.rec"),
                      [[1, "begin", "role", 1, 0], *lines, [200, "up?"]])
            past = history.History(directory)
            return {text.split(":")[0] for text in checks.all_of(
                past, QUEUES, 3, 5, DRAINED.get(name))}

    def test_all(self):
        told = set()
        for name, (check, records) in STORIES.items():
            with self.subTest(name):
                found = self.found(name, records)
                if check is None:
                    self.assertEqual(found, set())
                else:
                    self.assertIn(check, found)
                    told.add(check)
        every = {check.__name__ for check in checks.every_check(
            QUEUES, 3, 5, AT_END, False)}
        self.assertEqual(every - told, set())


if __name__ == "__main__":
    unittest.main()
