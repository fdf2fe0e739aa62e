#!/usr/bin/env python3
"""Clients that are too many, too slow or too greedy: memory stays bounded, and
the others are served."""

import json
import os
import signal
import socket
import struct
import threading
import time
import unittest

import harness

MIB = 1 << 20


class Greedy(harness.TestCase):
    def fill(self, client, line):
        """Sends until the daemon takes no more; how many bytes it took."""
        client.socket.setblocking(False)
        data = line * (65536 // len(line) + 1)
        rest, taken = b"", 0
        quiet = 0
        while quiet < 20:  # what comes to rest cannot tell us that it has
            try:
                if not rest:
                    rest = data
                sent = client.socket.send(rest)
                rest = rest[sent:]
                taken += sent
                quiet = 0
            except BlockingIOError:
                quiet += 1
                time.sleep(0.005)
        return taken

    def test_200_that_never_read(self):
        daemon = self.daemon()
        other = self.client(daemon)
        other.call("server.info")
        before = daemon.rss_bytes()
        line = harness.request(1, "rpc.discover")
        clients = [self.client(daemon) for _ in range(200)]
        # All at once, so that they come to rest together.
        threads = [threading.Thread(target=self.fill, args=(client, line))
                   for client in clients]
        for thread in threads:
            thread.start()
        served = 0
        while any(thread.is_alive() for thread in threads):
            other.call("queue.put", queue="q", body=1)
            other.call("queue.get", queue="q", take=True)
            served += 1
        for thread in threads:
            thread.join()
        self.assertGreater(served, 0)
        # 1 MiB unsent each, 64 KiB when all of them are greedy, and half as
        # much again for the allocator; a sanitizer keeps freed memory as well.
        self.assertLess(daemon.rss_bytes() - before, 1024 * MIB)
        # When what was taken is carried out it comes to rest; a daemon that
        # looked again and again for somebody to read would not.
        self.wait_until(lambda: self.is_at_rest(daemon), "rest")
        other.call("server.info")

    def test_one_that_never_reads_is_not_read_any_more(self):
        """1 MiB of unsent replies is enough; what it sends then stays in its
        socket."""
        client = self.client(self.daemon())
        line = harness.request(1, "rpc.discover").replace(
            b"{", b"{" + b" " * 8192, 1)
        self.assertLess(self.fill(client, line), 4 * MIB)

    def test_one_that_reads_again_gets_everything(self):
        client = self.client(self.daemon())
        line = harness.request("x", "server.info")
        taken = self.fill(client, line)
        client.socket.setblocking(True)
        client.socket.settimeout(harness.PATIENCE)
        # The last one may have been taken in part only.
        whole = taken // len(line)
        for _ in range(whole):
            self.assertEqual(client.read()["id"], "x")
        client.send_raw(line[taken % len(line):] if taken % len(line)
                        else line)
        self.assertEqual(client.read()["id"], "x")

    def test_who_sent_much_is_served_in_shares(self):
        """Both have sent when the daemon looks: one very much, and before the
        other. That one need not wait until all of it is carried out."""
        daemon = self.daemon()
        much, little = self.client(daemon), self.client(daemon)
        much.call("server.info")
        little.call("queue.declare", queue="q", capacity=0)
        line = harness.request(None, "queue.put", {"queue": "q", "body": 1})
        os.kill(daemon.process.pid, signal.SIGSTOP)
        try:
            much.send_raw(line * 1500)
            id = little.send("queue.show", queue="q")
        finally:
            os.kill(daemon.process.pid, signal.SIGCONT)
        self.assertLess(little.wait(id)["counts"]["ready"], 1500)

    def test_a_flood_does_not_starve_others(self):
        daemon = self.daemon()
        over = threading.Event()

        def flood():
            client = daemon.client()
            lines = harness.request(None, "queue.show", {"queue": "q"}) * 1000
            while not over.is_set():
                client.send_raw(lines)
            client.close()

        threads = [threading.Thread(target=flood) for _ in range(2)]
        for thread in threads:
            thread.start()
        client = self.client(daemon)
        for n in range(200):
            client.call("queue.put", queue="q", body=n)
        over.set()
        for thread in threads:
            thread.join()

    def test_large_messages_rest_beside_who_asks_for_one_thing(self):
        """Each of 4 MB makes its user's next one wait, for 300 ms."""
        daemon = self.daemon()
        large, quiet = self.client(daemon), self.client(daemon)
        over = threading.Event()

        def ask():
            while not over.is_set():
                quiet.call("queue.put", queue="quiet", body=1)

        for client, queue in ((large, "large"), (quiet, "quiet")):
            client.call("queue.declare", queue=queue, capacity=0)
        thread = threading.Thread(target=ask)
        thread.start()
        try:
            time.sleep(0.2)  # until it counts as quiet
            begin = time.monotonic()
            for _ in range(6):
                large.call("queue.put", queue="large", body="x" * 4000000)
            seconds = time.monotonic() - begin
        finally:
            over.set()
            thread.join()
        # A machine that is busy elsewhere may make the other one seem away.
        self.assertGreater(seconds, 3 * 0.3)

    def test_floods_pause_beside_who_asks_for_one_thing(self):
        """The daemon works a fifth of its time for them, whatever else they
        wait for: here for the end of batches that are empty."""
        daemon = self.daemon()
        flood, quiet = self.client(daemon), self.client(daemon)
        lines = harness.request(None, "queue.show", {"queue": "h"}) * 1000
        over = threading.Event()

        def ask():
            while not over.wait(0.02):
                quiet.call("server.info")

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            time.sleep(0.3)  # until it counts as quiet
            begin, worked = time.monotonic(), daemon.cpu_seconds()
            for _ in range(200):
                flood.send_raw(lines)
            flood.call("server.info")
            worked = daemon.cpu_seconds() - worked
            seconds = time.monotonic() - begin
        finally:
            over.set()
            thread.join()
        # What else the machine does makes it longer, never shorter.
        self.assertGreater(seconds, 2.5 * worked)

    def test_nobody_is_told_what_nobody_reads(self):
        """Of what somebody has sent who is gone, only what changes something
        is carried out."""
        daemon = self.daemon()
        gone, other = daemon.client(), self.client(daemon)
        gone.send_raw(harness.request(1, "rpc.discover") * 2000
                      + harness.request(2, "queue.put",
                                        {"queue": "q", "body": 1}))
        self.wait_until(lambda: self.is_at_rest(daemon), "rest")
        gone.close()
        self.wait_until(lambda: other.call("server.stats")["gauges"]
                        ["sessions"] == 1, "the other one gone")
        counters = other.call("server.stats")["counters"]
        self.assertEqual(counters["jobs_put"], 1)
        self.assertLess(counters["requests"]["rpc.discover"], 1000)

    def test_large_answers_reach_who_reads_meanwhile(self):
        """They go out in parts; whether there is room for the next one when
        the one before was cut off is a matter of microseconds."""
        client = self.client(self.daemon())
        client.call("queue.put", queue="q", bodies=["x" * 8000] * 60)
        for _ in range(1000):
            jobs = client.call("job.list", queue="q", limit=100)["jobs"]
            self.assertEqual(len(jobs), 60)

    def test_reads_that_cannot_be_answered_yet_do_not_pile_up(self):
        """Replies that read are held back while a batch is written; the
        requests behind them wait in the socket, not in memory."""
        daemon = self.daemon()
        setup = self.client(daemon)
        for n in range(300):
            setup.call("queue.declare", queue=f"q{n}")
        before = daemon.rss_bytes()
        client = self.client(daemon)
        rounds = 400

        def send():
            for n in range(rounds):
                client.send_raw(
                    harness.request(2 * n, "queue.put",
                                    {"queue": "q0", "body": n})
                    + harness.request(2 * n + 1, "queue.list",
                                      {"limit": 1000}))
        sender = threading.Thread(target=send)
        sender.start()
        time.sleep(0.5)  # unread meanwhile
        self.assertLess(daemon.rss_bytes() - before, 256 * MIB)
        for n in range(2 * rounds):
            client.wait(n)
        sender.join()


class Slow(harness.TestCase):
    def test_a_thousand_byte_by_byte(self):
        daemon = self.daemon()
        before = daemon.rss_bytes()
        clients = [self.client(daemon) for _ in range(1000)]
        line = harness.request(1, "server.info")
        for at in range(len(line) - 1):
            for client in clients:
                client.send_raw(line[at:at + 1])
        self.client(daemon).call("server.info")
        self.assertLess(daemon.rss_bytes() - before, 64 * MIB)
        for client in clients:
            client.send_raw(line[-1:])
        for client in clients:
            self.assertEqual(client.read()["id"], 1)

    def test_reader_of_one_byte_at_a_time(self):
        daemon = self.daemon()
        client = self.client(daemon)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        id = client.send("rpc.discover")
        data = b""
        while not data.endswith(b"\n"):
            data += client.socket.recv(97)
        self.assertEqual(json.loads(data)["id"], id)


class Many(harness.TestCase):
    def test_out_of_descriptors(self):
        """Existing clients are not disturbed, new ones wait, nothing spins,
        and the log is told once."""
        daemon = self.daemon(nofile=64)
        first = self.client(daemon)
        first.call("server.info")
        waiting = [self.client(daemon) for _ in range(300)]
        ids = [client.send("server.info") for client in waiting]
        daemon.wait_log("no more clients can be let in")
        for n in range(100):
            first.call("queue.put", queue="q", body=n)
        self.wait_until(lambda: self.is_at_rest(daemon), "rest")
        # Each one that goes makes room for one that waits.
        for client, id in zip(waiting, ids):
            self.assertEqual(client.wait(id)["name"], "syncd")
            client.close()
        complaints = [line for line in daemon.log if "no more clients" in line]
        self.assertEqual(len(complaints), 1)
        first.call("server.info")

    def test_thousands_come_and_go(self):
        daemon = self.daemon()
        client = self.client(daemon)
        client.call("server.info")
        before = daemon.fd_count()
        for _ in range(5):
            others = [daemon.client() for _ in range(500)]
            for other in others:
                other.send("queue.get", queue="q")
            for other in others[::2]:
                other.send("server.info")
            for other in others:
                other.close()
        self.wait_until(lambda: daemon.fd_count() == before, "closed ones")
        client.call("queue.put", queue="q", body=1)
        self.assertEqual(
            client.call("queue.show", queue="q")["counts"]["ready"], 1)

    def test_herd(self):
        """Many wait for one queue; one put wakes one of them."""
        daemon = self.daemon()
        clients = [self.client(daemon) for _ in range(500)]
        for client in clients:
            client.send("queue.get", queue="q")
            client.call("server.info")
        producer = self.client(daemon)
        for n in range(10):
            producer.call("queue.put", queue="q", body=n)
        for n, client in enumerate(clients[:10]):
            self.assertEqual(client.reply(1)["result"]["jobs"][0]["body"], n)
        self.assertFalse(any(client.has_input() for client in clients[10:]))


class Peers(harness.TestCase):
    def test_reset_and_descriptors_passed(self):
        """What only a hostile client does."""
        daemon = self.daemon()
        # The loop opens a spare descriptor with its first connection.
        self.client(daemon).call("server.info")
        before = daemon.fd_count()
        for _ in range(50):
            client = daemon.client()
            socket.send_fds(client.socket, [harness.request(1, "server.info")],
                            [0, 1, 2])
            client.close()
        for _ in range(50):
            client = daemon.client()
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                     struct.pack("ii", 1, 0))
            client.send("rpc.discover")
            client.close()
        self.wait_until(lambda: daemon.fd_count() == before, "closed ones")
        self.client(daemon).call("server.info")

    @unittest.skipUnless(os.getuid() == 0, "needs root")
    def test_nobody_known_is_refused(self):
        config = self.write("c", "socket_mode = 0666\n")
        os.chmod(self.directory, 0o711)
        daemon = self.daemon(config=config)
        pid = os.fork()
        if pid == 0:
            try:
                os.setresuid(65534, 65534, 65534)
                with daemon.client() as client:
                    error = client.read()["error"]["data"]["name"]
                os._exit(0 if error == "forbidden" else 1)
            except BaseException:
                os._exit(2)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)


if __name__ == "__main__":
    harness.main()
