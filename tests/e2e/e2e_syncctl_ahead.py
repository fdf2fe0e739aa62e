#!/usr/bin/env python3
"""What syncctl does not wait for: a daemon whose answers are held back."""

import json
import os
import signal
import socket

import harness
import syncctl_case

INFO = {"protocol": 1, "limits": {"max_message": 4 << 20}}


class Peer:
    """Plays a daemon, one request after the other, as a test says."""

    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.listener.settimeout(harness.PATIENCE)
        self.connection = None

    def close(self):
        self.listener.close()
        if self.connection is not None:
            self.connection.close()

    def accept(self):
        self.connection, _ = self.listener.accept()
        self.connection.settimeout(harness.PATIENCE)
        self.lines = self.connection.makefile("r", encoding="utf-8")
        self.answer(self.expect("session.open"), session=1, secret="s",
                    resumed=False)
        self.answer(self.expect("server.info"), **INFO)

    def expect(self, method):
        """The next request, which must be of this method."""
        line = self.lines.readline()
        request = json.loads(line) if line else {"method": "the end"}
        if request["method"] != method:
            raise AssertionError(f"{request} instead of {method}")
        return request

    def answer(self, request, **result):
        self.say({"jsonrpc": "2.0", "id": request["id"], "result": result})

    def refuse(self, request, name, code):
        self.say({"jsonrpc": "2.0", "id": request["id"],
                  "error": {"code": code, "message": "so it is",
                            "data": {"name": name}}})

    def goodbye(self):
        """The client hangs up, and so does the peer."""
        if self.lines.readline():
            raise AssertionError("more is asked")
        self.connection.close()

    def say(self, message):
        self.connection.sendall(json.dumps(message).encode() + b"\n")


class AheadCase(syncctl_case.SyncctlCase):
    def setUp(self):
        harness.TestCase.setUp(self)
        self.peer = Peer(self.path("socket"))
        self.addCleanup(self.peer.close)

    def environment(self, **more):
        return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8",
                "T": self.directory, "SYNCD_SOCKET": self.path("socket"),
                **more}

    def hand_out(self, request, *ids):
        self.peer.answer(request, jobs=[
            {"id": id, "token": 9, "queue": "q", "body": id, "attempt": 1,
             "lease": 60} for id in ids])


    def leave(self, process):
        self.peer.goodbye()
        return self.finish(process)


class Work(AheadCase):
    def begin(self, *args):
        """A worker whose first job is done, unanswered, when it asks again."""
        worker = self.start("work", "q", *args)
        self.peer.accept()
        self.hand_out(self.peer.expect("queue.get"), 1)
        done = self.peer.expect("queue.done")
        return worker, done, self.peer.expect("queue.get")

    def end(self, worker, get):
        worker.send_signal(signal.SIGTERM)
        cancel = self.peer.expect("session.cancel")
        self.assertEqual(cancel["params"]["request"], get["id"])
        self.peer.refuse(get, "cancelled", -32010)
        self.peer.answer(cancel, cancelled=True)

    def test_the_next_job_does_not_wait_for_the_disk(self):
        worker, first, get = self.begin("--", "true")
        self.hand_out(get, 2)
        # One at most is not answered: the second is told behind the first.
        self.peer.answer(first)
        second = self.peer.expect("queue.done")
        self.assertEqual(second["params"]["id"], 2)
        get = self.peer.expect("queue.get")
        self.peer.answer(second)
        self.end(worker, get)
        self.assertEqual(self.leave(worker).err, "")

    def test_a_refusal_is_said_while_it_waits(self):
        worker, done, get = self.begin("--", "true")
        self.peer.refuse(done, "stale_token", -32005)
        line = worker.stderr.readline().decode()
        self.assertIn("job 1 was ours no more", line)
        self.end(worker, get)
        self.leave(worker)

    def test_the_last_answer_is_waited_for(self):
        worker, done, get = self.begin("--", "true")
        self.end(worker, get)
        self.peer.refuse(done, "stale_token", -32005)
        self.assertIn("job 1 was ours no more", self.leave(worker).err)

    def test_printing_goes_on(self):
        worker, done, get = self.begin()
        self.hand_out(get, 2, 3)
        for number in (b"1\n", b"2\n", b"3\n"):
            self.assertEqual(worker.stdout.readline(), number)
        self.peer.answer(done, done=0, stale=[1])
        self.assertIn("ours no more", worker.stderr.readline().decode())
        done = self.peer.expect("queue.done")
        self.assertEqual([job["id"] for job in done["params"]["jobs"]], [2, 3])
        self.end(worker, self.peer.expect("queue.get"))
        self.peer.answer(done, done=2, stale=[])
        self.leave(worker)


if __name__ == "__main__":
    harness.main()
