#!/usr/bin/env python3
"""syncctl top: on a terminal, in a pipe, and as JSON."""

import json
import os
import signal

import harness
import terminal_case


class Top(terminal_case.TerminalCase):
    def setUp(self):
        super().setUp()
        self.rpc.call("queue.put", queue="calm", body=1)
        self.rpc.call("queue.put", queue="busy", bodies=[1, 2, 3])
        self.rpc.call("queue.get", queue="busy")

    def top_on_terminal(self, rows=24):
        """Its keyboard and screen are the terminal."""
        slave = self.open_terminal(columns=120, rows=rows)
        process = self.start("top", "--interval", "100ms", stdin=slave,
                             stdout=slave, env={"TERM": "xterm"})
        os.close(slave)
        self.wait_seen("busy")
        return process

    def test_q_ends_it_and_the_screen_comes_back(self):
        process = self.top_on_terminal()
        self.assertTrue(self.seen.startswith("\033[?1049h"), self.seen)
        self.assertIn("jobs: 3 ready, 1 running", self.seen)
        os.write(self.master, b"xq")
        self.finish(process)
        self.read_rest()
        self.assertTrue(self.seen.endswith("\033[?1049l"), self.seen)

    def test_an_interrupt_ends_it_well(self):
        process = self.top_on_terminal()
        process.send_signal(signal.SIGINT)
        self.finish(process)

    def test_it_shows_what_happens_meanwhile(self):
        self.top_on_terminal()
        self.rpc.call("queue.put", queue="new one", body=1)
        self.wait_seen("new one")

    def test_a_small_screen_says_what_is_left_out(self):
        self.top_on_terminal(rows=6)
        self.wait_seen("and 1 more")
        self.assertNotIn("calm", self.seen)

    def test_a_daemon_that_is_gone_is_said_on_the_screen_from_before(self):
        process = self.top_on_terminal()
        self.syncd.stop()
        ran = self.finish(process, status=None)
        self.assertNotEqual(ran.status, 0)
        self.assertIn("syncctl: top: ", ran.err)

    def test_pictures_below_each_other_in_a_pipe(self):
        ran = self.ctl("top", "--count", "2", "--interval", "100ms")
        self.assertEqual(ran.out.count("QUEUE"), 2)
        self.assertNotIn("\033", ran.out)
        lines = ran.lines
        self.assertLess([line[:4] for line in lines].index("busy"),
                        [line[:4] for line in lines].index("calm"))
        self.assertNotIn("calm", self.ctl("top", "bu", "-n", "1").out)

    def test_a_pipe_that_nobody_reads_ends_it(self):
        process = self.start("top", "--interval", "100ms")
        process.stdout.readline()
        process.stdout.close()
        process.stdout = None
        self.assertNotEqual(process.wait(harness.PATIENCE), None)

    def test_a_count_leaves_its_picture_on_the_terminal(self):
        slave = self.open_terminal()
        process = self.start("top", "--count", "1", stdout=slave,
                             env={"TERM": "xterm"})
        os.close(slave)
        self.finish(process)
        self.read_rest()
        self.assertIn("busy", self.seen)
        self.assertNotIn("\033[?1049", self.seen)

    def test_json(self):
        ran = self.ctl("top", "--json", "--count", "1")
        seen = json.loads(ran.lines[0])
        self.assertEqual(seen["stats"]["gauges"]["queues"], 2)
        self.assertEqual([queue["queue"] for queue in seen["queues"]],
                         ["busy", "calm"])
        self.assertIn("uptime", seen["info"])

    def test_refused(self):
        self.refused("top", "--interval", "0", says="at least 100ms")
        self.refused("top", "--count", "0", says="at least 1")


if __name__ == "__main__":
    harness.main()
