#!/usr/bin/env python3
"""One user cannot take from others: quotas, and hostile users against them."""

import fcntl
import re
import struct
import termios

import harness
import users
from users import ADA, EVE

ALLOW = f"""
allow {{ roles = {{"producer", "worker"}} users = {{"{ADA}", "{EVE}"}} }}
"""


@users.needs_root
class Quotas(users.TestCase):
    def limit(self, client, name, method, **params):
        error = self.assertRpcError("limit", client.call, method, **params)
        self.assertEqual(error.data["limit"], name)
        return error

    def test_connections(self):
        daemon = self.open_daemon(ALLOW + "max_user_connections = 3\n")
        clients = [self.client_of(daemon, EVE) for _ in range(3)]
        for client in clients:
            client.call("server.info")
        refused = self.client_of(daemon, EVE)
        error = refused.read()["error"]
        self.assertEqual(error["data"]["name"], "limit")
        self.assertEqual(error["data"]["limit"], "max_user_connections")
        self.assertEqual(error["data"]["value"], 3)
        self.assertEqual(refused.rest(), [])
        daemon.wait_log("max_user_connections")
        # Others come in, and root is not counted.
        self.client_of(daemon, ADA).call("server.info")
        for _ in range(5):
            self.client(daemon).call("server.info")
        # One that has gone leaves a place.
        clients[0].close()
        self.wait_until(lambda: self.is_let_in(daemon, EVE), "a place")

    def is_let_in(self, daemon, uid):
        client = self.client_of(daemon, uid)
        try:
            client.call("server.info")
        except (harness.Closed, BrokenPipeError, ConnectionResetError):
            return False
        return True

    def test_limits_are_told_and_reloaded(self):
        daemon = self.open_daemon(ALLOW + "max_user_objects = 2\n")
        eve = self.client_of(daemon, EVE)
        for name in "ab":
            eve.call("queue.put", queue=name, body=1)
        self.limit(eve, "max_user_objects", "queue.put", queue="c", body=1)
        self.write("c", "socket_mode = 0666\n" + ALLOW +
                   "max_user_objects = 3\n")
        ready = daemon.count_notified("READY=1")
        daemon.signal(1)
        daemon.wait_notified("READY=1", ready + 1)
        eve.call("queue.put", queue="c", body=1)
        limits = eve.call("server.info")["limits"]
        self.assertEqual(limits["max_user_objects"], 3)

    def test_memory_outlives_a_restart(self):
        daemon = self.open_daemon(ALLOW + "max_user_memory = 90K\n")
        eve = self.client_of(daemon, EVE)
        for _ in range(4):
            eve.call("queue.put", queue="q", body="x" * 20000)
        self.limit(eve, "max_user_memory", "queue.put", queue="q",
                   body="x" * 20000)
        daemon.restart()
        eve = self.client_of(daemon, EVE)
        self.limit(eve, "max_user_memory", "queue.put", queue="q",
                   body="x" * 20000)
        ada = self.client_of(daemon, ADA)
        ada.call("queue.put", queue="q", body="x" * 20000)
        ada.call("queue.get", queue="q", take=True)
        eve.call("queue.put", queue="q", body="x" * 20000)

    def test_own_figures_only(self):
        daemon = self.open_daemon(ALLOW)
        ada, eve = self.client_of(daemon, ADA), self.client_of(daemon, EVE)
        ada.call("queue.put", queue="q", body=1)
        self.assertEqual([user["uid"] for user in
                          eve.call("server.stats")["users"]], [EVE])
        told = self.client(daemon).call("server.stats")["users"]
        self.assertEqual([user["uid"] for user in told], [0, ADA, EVE])
        self.assertGreater(told[1]["memory_bytes"], 0)

    def test_unfinished_lines(self):
        """Many long lines without an end: the user is told, and others are
        served; what was read of them is given back."""
        daemon = self.open_daemon(ALLOW + "max_message = 64M\n")
        ada = self.client_of(daemon, ADA)
        part = b'{"jsonrpc":"2.0","id":1,"method":"queue.put","params":{"x":"'
        filler = b"x" * (1 << 20)
        before = daemon.rss_bytes()
        refused = None
        for _ in range(8):
            eve = self.client_of(daemon, EVE)
            try:
                eve.send_raw(part)
                for _ in range(60):
                    eve.send_raw(filler)
            except (BrokenPipeError, ConnectionResetError):
                pass
            if eve.has_input():
                refused = eve.read()
                break
        self.assertIsNotNone(refused)
        self.assertEqual(refused["error"]["data"]["limit"], "max_user_input")
        self.assertLess(daemon.rss_bytes() - before, 1 << 30)
        ada.call("queue.put", queue="q", body="y" * (1 << 20))
        self.assertIsNone(re.search("Sanitizer", "\n".join(daemon.log)))

    def send_what_goes(self, client, lines):
        """How much the daemon has taken of that, without waiting."""
        client.socket.setblocking(False)
        try:
            while True:
                self.sent[client] = (self.sent.get(client, 0)
                                     + client.socket.send(lines))
        except BlockingIOError:
            pass
        waiting = struct.unpack("i", fcntl.ioctl(
            client.socket, termios.TIOCOUTQ, bytes(4)))[0]
        return self.sent[client] - waiting

    def test_lines_behind_unread_replies(self):
        """Of whoever sends on many connections and reads on none, no more is
        read at last than what can be carried out."""
        daemon = self.open_daemon(ALLOW + "max_user_connections = 2000\n")
        lines = harness.request(1, "server.info") * 4000
        self.sent = {}
        eves = [self.client_of(daemon, EVE) for _ in range(1400)]
        for _ in range(3):
            for eve in eves:
                self.send_what_goes(eve, lines)
        last = self.client_of(daemon, EVE)
        for _ in range(20):
            taken = self.send_what_goes(last, lines)
            self.client_of(daemon, ADA).call("server.info")
        self.assertLess(taken, 200000)

    def test_replies_that_nobody_reads(self):
        """A large one for each of many connections is too much."""
        daemon = self.open_daemon(ALLOW)
        ada, eve = self.client_of(daemon, ADA), self.client_of(daemon, EVE)
        eve.call("queue.put", queue="big", body="x" * 3900000)
        before = daemon.rss_bytes()
        silent = [self.client_of(daemon, EVE) for _ in range(120)]
        for client in silent:
            client.send("job.show", id=1)
        error = self.limit_soon(eve)
        self.assertEqual(error["limit"], "max_user_unsent")
        ada.call("queue.put", queue="q", body=1)
        self.assertLess(daemon.rss_bytes() - before, 1 << 30)
        # What is read, or given up, makes room.
        for client in silent:
            client.close()
        self.wait_until(lambda: self.shows(eve), "room again")

    def shows(self, client):
        try:
            return client.call("job.show", id=1)["state"] == "ready"
        except harness.RpcError:
            return False

    def limit_soon(self, client):
        """The data of the error, once it comes."""
        told = []

        def is_limited():
            try:
                client.call("server.info")
            except harness.RpcError as error:
                told.append(error.data)
            return bool(told)
        self.wait_until(is_limited, "a limit")
        return told[0]

    def test_answers_to_arrays(self):
        """Arrays whose last reply never comes cannot pile up answers."""
        daemon = self.open_daemon(ALLOW)
        eve = self.client_of(daemon, EVE)
        eve.call("queue.put", queue="big", body="x" * 3000000)
        for i in range(20):
            show = harness.request(f"s{i}", "job.show", {"id": 1}).strip()
            wait = harness.request(f"w{i}", "event.wait",
                                   {"event": "never"}).strip()
            eve.send_raw(b"[" + show + b"," + wait + b"]\n")
        refused = eve.read()
        self.assertEqual(refused["error"]["data"]["limit"], "max_gathered")
        self.client_of(daemon, ADA).call("server.info")

    def test_answers_to_arrays_of_many_connections(self):
        """They count for the user together, as what it does not read."""
        daemon = self.open_daemon(ALLOW)
        eve = self.client_of(daemon, EVE)
        eve.call("queue.put", queue="big", body="x" * 3900000)
        before = daemon.rss_bytes()
        show = harness.request("s", "job.show", {"id": 1}).strip()
        waiting = [self.client_of(daemon, EVE) for _ in range(40)]
        for client in waiting:
            for i in range(4):
                wait = harness.request(f"w{i}", "event.wait",
                                       {"event": "never"}).strip()
                client.send_raw(b"[" + show + b"," + wait + b"]\n")
        self.assertEqual(self.limit_soon(eve)["limit"], "max_user_unsent")
        eve.send_raw(b"[" + show + b"]\n")
        refused = eve.read()
        self.assertEqual((refused["id"], refused["error"]["data"]["limit"]),
                         (None, "max_user_unsent"))
        self.client_of(daemon, ADA).call("server.info")
        self.assertLess(daemon.rss_bytes() - before, 1 << 30)
        for client in waiting:
            client.close()
        self.wait_until(lambda: self.shows(eve), "room again")


if __name__ == "__main__":
    harness.main()
