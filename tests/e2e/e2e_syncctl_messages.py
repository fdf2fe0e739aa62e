#!/usr/bin/env python3
"""What syncctl asks, in how many messages: a test plays the daemon."""

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


class MessagesCase(syncctl_case.SyncctlCase):
    def setUp(self):
        harness.TestCase.setUp(self)
        self.peer = Peer(self.path("socket"))
        self.addCleanup(self.peer.close)

    def environment(self, **more):
        return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8",
                "T": self.directory, "SYNCD_SOCKET": self.path("socket"),
                **more}

    def hand_out(self, request, *ids, **more):
        self.peer.answer(request, jobs=[
            {"id": id, "token": 9, "queue": "q", "body": id, "attempt": 1,
             "lease": 60} for id in ids], **more)

    def leave(self, process):
        self.peer.goodbye()
        return self.finish(process)


class Work(MessagesCase):
    def begin(self, *args):
        """A worker whose first job is done."""
        worker = self.start("work", "q", *args)
        self.peer.accept()
        self.hand_out(self.peer.expect("queue.get"), 1)
        return worker

    def expect_get(self, done=None):
        """Asks for the next, without waiting if it tells what is done."""
        get = self.peer.expect("queue.get")
        self.assertEqual(get["params"].get("done"), done)
        self.assertEqual(get["params"].get("timeout"),
                         None if done is None else 0)
        return get

    def end(self, worker, get):
        worker.send_signal(signal.SIGTERM)
        cancel = self.peer.expect("session.cancel")
        self.assertEqual(cancel["params"]["request"], get["id"])
        self.peer.refuse(get, "cancelled", -32010)
        self.peer.answer(cancel, cancelled=True)
        return self.leave(worker)

    def test_one_message_a_job(self):
        worker = self.begin("--", "true")
        for id in range(1, 5):
            get = self.expect_get({"id": id, "token": 9})
            self.hand_out(get, id + 1, finished={"done": 1, "stale": []})
        get = self.expect_get({"id": 5, "token": 9})
        self.hand_out(get, finished={"done": 1, "stale": []})
        self.assertEqual(self.end(worker, self.expect_get()).err, "")

    def test_stale_is_said_before_it_waits(self):
        worker = self.begin("--", "true")
        get = self.expect_get({"id": 1, "token": 9})
        self.hand_out(get, finished={"done": 0, "stale": [1]})
        get = self.expect_get()
        line = worker.stderr.readline().decode()
        self.assertIn("job 1 was ours no more", line)
        self.end(worker, get)

    def test_refused_it_is_told_alone(self):
        worker = self.begin("--", "true")
        self.peer.refuse(self.expect_get({"id": 1, "token": 9}), "limit",
                         -32007)
        done = self.peer.expect("queue.done")
        self.assertEqual(done["params"], {"id": 1, "token": 9})
        self.peer.answer(done)
        self.end(worker, self.expect_get())

    def test_the_last_one_is_told_alone(self):
        self.fifo("go")
        worker = self.begin("--", "sh", "-c", "echo > $T/runs; read x < $T/go")
        self.wait_file("runs")
        worker.send_signal(signal.SIGTERM)
        self.assertIn("waiting for 1", worker.stderr.readline().decode())
        self.open_fifo("go")
        done = self.peer.expect("queue.done")
        self.peer.refuse(done, "stale_token", -32005)
        self.assertIn("job 1 was ours no more", self.leave(worker).err)

    def test_printing(self):
        worker = self.begin()
        get = self.expect_get({"jobs": [{"id": 1, "token": 9}]})
        self.hand_out(get, 2, 3, finished={"done": 0, "stale": [1]})
        self.assertIn("ours no more", worker.stderr.readline().decode())
        done = {"jobs": [{"id": 2, "token": 9}, {"id": 3, "token": 9}]}
        self.peer.refuse(self.expect_get(done), "limit", -32007)
        request = self.peer.expect("queue.done")
        self.assertEqual(request["params"], done)
        self.peer.answer(request, done=2, stale=[])
        ran = self.end(worker, self.expect_get())
        self.assertEqual(ran.out, "1\n2\n3\n")


if __name__ == "__main__":
    harness.main()
