#!/usr/bin/env python3
"""How syncd ends: whoever can be answered is, and nobody holds it up."""

import signal
import socket
import threading
import time

import harness

# What product.md and the units promise, seconds. Not a measurement: the daemon
# gives up by itself long before.
STOP_MAX = 5


class Stop(harness.TestCase):
    def assertStops(self, daemon):
        started = time.monotonic()
        self.assertEqual(daemon.stop(), 0, "\n".join(daemon.log))
        return time.monotonic() - started

    def test_waiters_are_told(self):
        daemon = self.daemon()
        client = self.client(daemon)
        waiting = [client.send("queue.get", queue="q") for _ in range(10)]
        client.call("server.info")
        self.assertStops(daemon)
        for id in waiting:
            self.assertRpcError("unavailable", client.wait, id)
        self.assertIsNone(client.read_line())

    def test_everything_acknowledged_is_there_afterwards(self):
        daemon = self.daemon()
        acknowledged = []

        def produce():
            client = daemon.client()
            try:
                for round in range(1000000):
                    ids = [client.send("queue.put", queue="q", body=round)
                           for _ in range(50)]
                    for id in ids:
                        acknowledged.append(client.wait(id)["id"])
            except (harness.Closed, harness.RpcError, OSError):
                pass
            finally:
                client.close()

        setup = self.client(daemon)
        setup.call("queue.declare", queue="q", capacity=0)
        threads = [threading.Thread(target=produce) for _ in range(4)]
        for thread in threads:
            thread.start()
        self.wait_until(lambda: len(acknowledged) > 2000, "load")
        self.assertStops(daemon)
        for thread in threads:
            thread.join()
        daemon.start()
        client = self.client(daemon)
        there = set()
        while jobs := client.call("queue.get", queue="q", max=1000,
                                  timeout=0)["jobs"]:
            there.update(job["id"] for job in jobs)
        self.assertEqual(set(acknowledged) - there, set())

    def test_a_client_that_does_not_read_does_not_hold_it_up(self):
        daemon = self.daemon()
        client = self.client(daemon)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.socket.setblocking(False)
        lines = harness.request(1, "rpc.discover") * 200
        try:
            while lines:
                lines = lines[client.socket.send(lines):]
        except BlockingIOError:
            pass
        self.client(daemon).call("server.info")
        self.assertLess(self.assertStops(daemon), STOP_MAX)

    def test_second_signal_changes_nothing(self):
        daemon = self.daemon()
        client = self.client(daemon)
        id = client.send("queue.put", queue="q", body=1)
        client.wait(id)
        daemon.signal(signal.SIGTERM)
        daemon.signal(signal.SIGINT)
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.wait_exit(), 0)

    def test_again_and_again_under_load(self):
        """Stopped at whatever moment it happens to be: always 0."""
        daemon = self.make_daemon()
        for round in range(20):
            daemon.start()
            client = daemon.client()
            client.send_raw(b"".join(
                harness.request(id, "queue.put",
                                {"queue": "q", "body": "x" * 100})
                for id in range(1, 50 * (round + 1))))
            self.assertStops(daemon)
            client.close()


if __name__ == "__main__":
    harness.main()
