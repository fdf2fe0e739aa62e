#!/usr/bin/env python3
"""The clients of "Write a client in an afternoon" (proto/PROTOCOL.md): one in
plain shell, one for Node.js. Both pass the same tests."""
import json
import os
import shutil
import signal
import subprocess
import unittest

import harness

CLIENTS = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))), "proto", "clients")


class Clients:
    """The tests; the classes below say of which client."""

    command = []

    def setUp(self):
        super().setUp()
        self.assertTrue(shutil.which(self.command[0]),
                        f"no {self.command[0]} here: ./dev test installs it")
        self.daemon_ = self.daemon()
        self.rpc = self.client(self.daemon_)

    def start(self, *arguments):
        environment = {**os.environ, "SYNCD_SOCKET": self.daemon_.socket_path}
        process = subprocess.Popen(
            [*self.command, *arguments], env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True)
        self.addCleanup(self.end_process, process)
        return process

    @staticmethod
    def end_process(process):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.communicate()

    def run_client(self, *arguments, status=0):
        process = self.start(*arguments)
        out, err = process.communicate(timeout=harness.PATIENCE)
        self.assertEqual(process.returncode, status, out + err)
        return out, err

    def restart(self):
        self.daemon_.kill()
        self.daemon_.start()
        self.rpc = self.client(self.daemon_)

    def test_a_call_and_an_error(self):
        out, _ = self.run_client("call", "server.info")
        self.assertEqual(json.loads(out)["name"], "syncd")
        out, _ = self.run_client("call", "queue.put",
                                 '{"queue": "q", "body": {"a": [1, "ä"]}}')
        self.assertEqual(json.loads(out), {"id": 1})
        self.assertEqual(self.rpc.call("job.show", id=1)["body"],
                         {"a": [1, "ä"]})
        _, err = self.run_client("call", "queue.put", '{"queue": "q"}',
                                 status=1)
        self.assertIn("body", err)

    def test_a_worker(self):
        self.rpc.call("queue.declare", queue="q", max_attempts=1)
        self.rpc.call("queue.put", queue="q", bodies=["one", "bad", "two"])
        self.rpc.call("queue.close", queue="q")
        out, _ = self.run_client("work", "q", "sh", "-c",
                                 'read -r x; echo "$x"; [ "$x" != bad ]')
        self.assertEqual(out.split(), ["one", "bad", "two"])
        shown = self.rpc.call("job.list", queue="q")["jobs"]
        self.assertEqual([(job["state"], job["error"]) for job in shown],
                         [("dead", {"status": 1})])

    def waiters(self, lock):
        return self.rpc.call("lock.show", lock=lock)["waiters"]

    def test_a_wait_goes_on_over_a_restart(self):
        with self.daemon_.client() as holder:
            holder.call("session.open", grace=0)
            holder.call("lock.acquire", lock="l")
            waits = self.start("lock", "l", "sh", "-c",
                               'echo "$SYNCD_TOKEN"; cat >/dev/null')
            self.wait_until(lambda: self.waiters("l") == 1, "it waits")
            self.restart()
        out, err = waits.communicate(timeout=harness.PATIENCE)
        self.assertEqual(waits.returncode, 0, err)
        self.assertGreater(int(out), 0)
        self.assertFalse(self.rpc.call("lock.show", lock="l")["held"])

    def test_what_is_held_stays_held_over_a_restart(self):
        gates = [self.path("work"), self.path("lock")]
        for gate in gates:
            os.mkfifo(gate)
        self.rpc.call("queue.put", queue="q", body="x")
        self.rpc.call("queue.close", queue="q")
        at_work = self.start("work", "q", "sh", "-c", f"cat {gates[0]}")
        inside = self.start("lock", "l", "sh", "-c", f"cat {gates[1]}")
        self.wait_until(
            lambda: self.rpc.call("lock.show", lock="l")["held"] and
            self.rpc.call("queue.show", queue="q")["counts"]["running"] == 1,
            "both have what they want")
        self.restart()
        self.assertTrue(self.rpc.call("lock.show", lock="l")["held"])
        for gate in gates:
            open(gate, "w").close()
        for process in (at_work, inside):
            out, err = process.communicate(timeout=harness.PATIENCE)
            self.assertEqual((process.returncode, err), (0, ""))
        self.assertFalse(self.rpc.call("lock.show", lock="l")["held"])
        self.assertEqual(
            self.rpc.call("queue.show", queue="q")["unfinished"], 0)

    def test_what_a_killed_one_held_is_free(self):
        inside = self.start("lock", "l", "sh", "-c", "echo in; cat; sleep 600")
        self.assertEqual(inside.stdout.readline(), "in\n")
        os.killpg(inside.pid, signal.SIGKILL)
        self.assertTrue(self.rpc.call("lock.acquire", lock="l",
                                      timeout=harness.PATIENCE)["acquired"])


class ShellClient(Clients, harness.TestCase):
    """proto/clients/client.sh."""

    command = ["sh", os.path.join(CLIENTS, "client.sh")]

    def test_its_tools_are_here(self):
        for tool in ("socat", "jq"):
            self.assertTrue(shutil.which(tool), tool)


MANY = """
const {Client} = require(process.argv[1]);
(async () => {
    const client = new Client();
    const puts = [];
    for (let i = 0; i < 2000; i++) {
        puts.push(client.call('queue.put', {queue: 'q', body: i}));
    }
    console.log(new Set((await Promise.all(puts)).map((r) => r.id)).size);
    const stop = new AbortController();
    const waits = client.call('event.wait', {event: 'e'},
        {signal: stop.signal});
    stop.abort();
    await waits.catch((error) => console.log(error.name));
    client.close();
})();
"""


class NodeClient(Clients, harness.TestCase):
    """proto/clients/client.js."""

    command = ["node", os.path.join(CLIENTS, "client.js")]

    def test_many_at_once_and_a_cancelled_wait(self):
        process = subprocess.run(
            ["node", "-e", MANY, self.command[1]], text=True,
            capture_output=True, timeout=harness.PATIENCE,
            env={**os.environ, "SYNCD_SOCKET": self.daemon_.socket_path})
        self.assertEqual(process.stdout.split(), ["2000", "cancelled"],
                         process.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
