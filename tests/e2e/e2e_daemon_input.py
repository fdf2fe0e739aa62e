#!/usr/bin/env python3
"""What clients may send: many lines, bad lines, huge lines, half a line; and
that none of it is felt by others."""

import json
import threading

import harness

PING = {"jsonrpc": "2.0", "method": "server.info"}


def ping(id):
    return harness.request(id, "server.info")


# Each line, and the name of the error that answers it.
MALFORMED = [
    (b"x", "parse_error"),
    (b"{", "parse_error"),
    (b"}", "parse_error"),
    (b"[", "parse_error"),
    (b"[1,]", "parse_error"),
    (b"[1}", "parse_error"),
    (b'{"jsonrpc":"2.0","id":1,"method":"server.info"}}', "parse_error"),
    (b'{"jsonrpc":"2.0","id":1,"method":"server.info"', "parse_error"),
    (b'{"jsonrpc":"2.0","id":1,"method":"server.info",}', "parse_error"),
    (b'{"a":tru}', "parse_error"),
    (b'{"a":01}', "parse_error"),
    (b'{"a":1.}', "parse_error"),
    (b'{"a":"\x01"}', "parse_error"),
    (b'{"a":"\xff"}', "parse_error"),
    (b'{"a":"\xc0\x80"}', "parse_error"),
    (b'{"a":"\xed\xa0\x80"}', "parse_error"),
    (b'{"a":"\\x"}', "parse_error"),
    (b'{"a":"\\u12"}', "parse_error"),
    (b"\x00", "parse_error"),
    (b"\xef\xbb\xbf{}", "parse_error"),
    (b'{"jsonrpc":"2.0","id":1,"method":"server.info"}\x00', "parse_error"),
    (b"[" * 65 + b"]" * 65, "parse_error"),
    (b"[" * 100000, "parse_error"),
    (b'{"a":' * 100000, "parse_error"),
    (b"1", "invalid_request"),
    (b'"x"', "invalid_request"),
    (b"null", "invalid_request"),
    (b"[]", "invalid_request"),
    (b"{}", "invalid_request"),
    (b'{"jsonrpc":"1.0","id":1,"method":"server.info"}', "invalid_request"),
    (b'{"id":1,"method":"server.info"}', "invalid_request"),
    (b'{"jsonrpc":"2.0","id":1}', "invalid_request"),
    (b'{"jsonrpc":"2.0","id":null,"method":"server.info"}',
     "invalid_request"),
    (b'{"jsonrpc":"2.0","id":1.5,"method":"server.info"}',
     "invalid_request"),
    (b'{"jsonrpc":"2.0","id":[1],"method":"server.info"}',
     "invalid_request"),
    (b'{"jsonrpc":"2.0","id":1,"method":1}', "invalid_request"),
    (b'{"jsonrpc":"2.0","id":1,"method":"no.such"}', "method_not_found"),
    (b'{"jsonrpc":"2.0","id":1,"method":"server.info","params":[1]}',
     "invalid_params"),
    (b'{"jsonrpc":"2.0","id":1,"method":"server.info","params":{"x":1}}',
     "invalid_params"),
    (b'{"jsonrpc":"2.0","id":1,"method":"queue.put","params":{}}',
     "invalid_params"),
    (b'{"jsonrpc":"2.0","id":1,"method":"queue.get",'
     b'"params":{"queue":"q","timeout":-1}}', "invalid_params"),
    (b'{"jsonrpc":"2.0","id":1,"method":"queue.get",'
     b'"params":{"queue":"q","queue":"r"}}', "invalid_params"),
    (b'{"jsonrpc":"2.0","id":1,"method":"queue.get",'
     b'"params":{"queue":null}}', "invalid_params"),
]


class Malformed(harness.TestCase):
    def test_each_is_answered_and_the_connection_lives(self):
        daemon = self.daemon()
        client = self.client(daemon)
        other = self.client(daemon)
        for number, (line, name) in enumerate(MALFORMED, 1000):
            with self.subTest(line[:60]):
                client.send_raw(line + b"\n" + ping(number))
                self.assertEqual(client.read()["error"]["data"]["name"], name)
                self.assertEqual(client.read()["id"], number)
                other.call("server.info")

    def test_all_of_them_in_one_write(self):
        daemon = self.daemon()
        client = self.client(daemon)
        client.send_raw(b"".join(line + b"\n" for line, _ in MALFORMED))
        for line, name in MALFORMED:
            self.assertEqual(client.read()["error"]["data"]["name"], name,
                             line[:60])
        client.call("server.info")

    def test_what_tells_no_id_is_answered_with_null(self):
        client = self.client(self.daemon())
        client.send_raw(b"x\n")
        self.assertIn("id", reply := client.read())
        self.assertIsNone(reply["id"])

    def test_bad_notifications_are_not_answered(self):
        client = self.client(self.daemon())
        client.notify("no.such")
        client.notify("queue.put", queue="")
        client.send_raw(ping(7))
        self.assertEqual(client.read()["id"], 7)

    def test_blank_lines_and_crlf(self):
        client = self.client(self.daemon())
        client.send_raw(b"\n\r\n\n" + ping(1).replace(b"\n", b"\r\n") + b"\n")
        self.assertEqual(client.read()["id"], 1)


class Lines(harness.TestCase):
    def test_ten_thousand_in_one_write(self):
        client = self.client(self.daemon())
        lines = b"".join(
            harness.request(id, "queue.put", {"queue": "q", "body": id})
            for id in range(1, 10001))
        client.call("queue.declare", queue="q", capacity=0)
        sender = threading.Thread(target=client.send_raw, args=(lines,))
        sender.start()
        jobs = [client.reply(id)["result"]["id"] for id in range(1, 10001)]
        sender.join()
        self.assertEqual(jobs, sorted(set(jobs)))

    def test_answers_in_the_order_sent(self):
        """What does not have to wait is answered in order, in any split."""
        client = self.client(self.daemon())
        lines = b"".join(ping(id) for id in range(1, 101))
        for size in (1, 7, 64, 1000):
            for at in range(0, len(lines), size):
                client.send_raw(lines[at:at + size])
            ids = [client.read()["id"] for _ in range(100)]
            self.assertEqual(ids, list(range(1, 101)))

    def test_effects_in_the_order_sent(self):
        client = self.client(self.daemon())
        puts = [client.send("queue.put", queue="q", body=n)
                for n in range(100)]
        get = client.send("queue.get", queue="q", max=100)
        bodies = [job["body"] for job in client.wait(get)["jobs"]]
        self.assertEqual(bodies, list(range(100)))
        for id in puts:
            client.wait(id)

    def test_a_waiting_request_holds_nothing_up(self):
        client = self.client(self.daemon())
        waiting = client.send("queue.get", queue="empty")
        client.call("server.info")
        client.call("queue.put", queue="empty", body="x")
        self.assertEqual(client.wait(waiting)["jobs"][0]["body"], "x")

    def test_body_comes_back_byte_for_byte(self):
        client = self.client(self.daemon())
        for body in (b"0.10", b"12345678901234567890", b'"\\u0000"',
                     b'{"b":1,"a":[1e400,-0]}', "\"\u00fc\\/\"".encode(),
                     b"null"):
            client.send_raw(b'{"jsonrpc":"2.0","method":"queue.put","params":'
                            b'{"queue":"q","body":' + body + b"}}\n")
            client.send("queue.get", queue="q", take=True)
            self.assertIn(b'"body":' + body + b",", client.read_line())


class Large(harness.TestCase):
    def test_longest_line_and_one_byte_more(self):
        config = self.write("c", "max_message = 8192\n")
        daemon = self.daemon(config=config)
        client = self.client(daemon)
        line = harness.request(1, "queue.put", {"queue": "q", "body": ""})
        body = "x" * (8192 - len(line) + 1)
        client.send_raw(harness.request(1, "queue.put",
                                        {"queue": "q", "body": body}))
        client.wait(1)
        client.send_raw(harness.request(2, "queue.put",
                                        {"queue": "q", "body": body + "x"}))
        error = client.read()["error"]
        self.assertEqual(error["data"]["limit"], "max_message")
        self.assertEqual(error["data"]["value"], 8192)
        self.assertEqual(client.rest(), [])
        self.assertEqual(
            self.client(daemon).call("queue.show", queue="q")["unfinished"], 1)

    def test_endless_line_takes_no_endless_memory(self):
        daemon = self.daemon()
        client = self.client(daemon)
        before = daemon.rss_bytes()
        try:
            for _ in range(2000):
                client.send_raw(b"x" * (1 << 16))
        except (BrokenPipeError, ConnectionResetError):
            pass
        else:
            self.fail("128 MiB without an end were taken")
        self.assertEqual(client.read()["error"]["data"]["name"], "limit")
        self.assertLess(daemon.rss_bytes() - before, 64 << 20)
        self.client(daemon).call("server.info")

    def test_large_lines_keep_their_order(self):
        """Those from 1 MiB on are decoded by other threads."""
        client = self.client(self.daemon())
        sizes = [10, 300000, 20, 1100000, 3000000, 30, 1048576, 40]
        lines = b"".join(
            harness.request(id, "queue.put",
                            {"queue": "q", "body": "x" * size})
            for id, size in enumerate(sizes, 1))
        client.send_raw(lines + b"{" + b"x" * 1200000 + b"\n"
                        + b"[" + b"0," * 600000 + b"0]\n" + ping(99))
        for id in range(1, len(sizes) + 1):
            client.wait(id)
        self.assertEqual(client.reply(99)["id"], 99)
        for size in sizes:
            job = client.call("queue.get", queue="q")["jobs"][0]
            self.assertEqual(len(job["body"]), size)

    def test_client_that_goes_while_its_line_is_decoded(self):
        daemon = self.daemon()
        line = harness.request(1, "queue.put",
                               {"queue": "q", "body": "x" * 3000000})
        for _ in range(10):
            with daemon.client() as client:
                client.send_raw(line)
        with daemon.client() as client:
            client.send_raw(line[:-1])  # its end is the end of input
        self.wait_until(lambda: self.client(daemon).call(
            "queue.show", queue="q")["unfinished"] == 11, "11 jobs")


class HalfClosed(harness.TestCase):
    def rest_after(self, client, data):
        client.send_raw(data)
        client.half_close()
        return client.rest()

    def test_lines_are_carried_out_and_answered(self):
        daemon = self.daemon()
        replies = self.rest_after(self.client(daemon), b"".join(
            harness.request(id, "queue.put", {"queue": "q", "body": id})
            for id in range(1, 2001)))
        self.assertEqual([reply["id"] for reply in replies],
                         list(range(1, 2001)))
        self.assertTrue(all("result" in reply for reply in replies))

    def test_last_line_without_its_end(self):
        replies = self.rest_after(self.client(self.daemon()),
                                  ping(1) + ping(2)[:-1])
        self.assertEqual([reply["id"] for reply in replies], [1, 2])

    def test_what_would_wait_ends(self):
        daemon = self.daemon()
        replies = self.rest_after(
            self.client(daemon),
            harness.request(1, "queue.get", {"queue": "empty"}) + ping(2)
            + harness.request(3, "queue.put", {"queue": "q", "body": 1}))
        self.assertEqual([reply["id"] for reply in replies], [2, 3])
        client = self.client(daemon)
        client.call("queue.put", queue="empty", body=1)
        self.assertEqual(
            client.call("queue.show", queue="empty")["counts"]["ready"], 1)

    def test_leases_end_with_it(self):
        daemon = self.daemon()
        client = self.client(daemon)
        client.call("queue.put", queue="q", body=1)
        replies = self.rest_after(
            self.client(daemon),
            harness.request(1, "queue.get", {"queue": "q"}))
        self.assertEqual(len(replies[0]["result"]["jobs"]), 1)
        job = client.call("queue.get", queue="q")["jobs"][0]
        self.assertEqual(job["attempt"], 2)

    def test_notifications_of_a_client_that_does_not_stay(self):
        daemon = self.daemon()
        for _ in range(20):
            with daemon.client() as client:
                for n in range(50):
                    client.notify("queue.put", queue="q", body=n)
                client.send("server.info")  # whose answer nobody reads
        self.wait_until(lambda: self.client(daemon).call(
            "queue.show", queue="q")["unfinished"] == 1000, "1000 jobs")

    def test_nothing_at_all(self):
        self.assertEqual(self.rest_after(self.client(self.daemon()), b""), [])


class Arrays(harness.TestCase):
    def array(self, client, *messages):
        client.send_raw(json.dumps(messages).encode() + b"\n")

    def message(self, id, method, **params):
        return json.loads(harness.request(id, method, params))

    def test_one_array_for_all(self):
        client = self.client(self.daemon())
        self.array(client, self.message(1, "server.info"), 5,
                   self.message(2, "queue.put", queue="q", body=1),
                   self.message(3, "no.such"),
                   self.message(None, "queue.put", queue="q", body=2))
        replies = client.read()
        self.assertEqual(sorted(str(reply["id"]) for reply in replies),
                         ["1", "2", "3", "None"])
        self.assertEqual(
            client.call("queue.show", queue="q")["unfinished"], 2)

    def test_waits_for_the_last(self):
        client = self.client(self.daemon())
        self.array(client, self.message(1, "queue.get", queue="q"),
                   self.message(2, "server.info"))
        client.send_raw(ping(3))
        self.assertEqual(client.read()["id"], 3)
        client.notify("queue.put", queue="q", body="late")
        replies = {reply["id"]: reply for reply in client.read()}
        self.assertEqual(replies[1]["result"]["jobs"][0]["body"], "late")
        self.assertIn("result", replies[2])

    def test_many_arrays_at_once(self):
        client = self.client(self.daemon())
        for n in range(100):
            self.array(client, self.message(2 * n, "queue.get", queue="q"),
                       self.message(2 * n + 1, "server.info"))
        for n in range(100):
            client.notify("queue.put", queue="q", body=n)
        got = sorted(tuple(sorted(reply["id"] for reply in client.read()))
                     for _ in range(100))
        self.assertEqual(got, [(2 * n, 2 * n + 1) for n in range(100)])

    def test_more_comes_while_one_is_carried_out(self):
        """An array of many turns stays what it is when more is read."""
        client = self.client(self.daemon())
        client.send_raw(b"[" + b"0," * 20000 + b"0]\n" +
                        b"".join(ping(id) for id in range(1, 3001)))
        self.assertEqual(len(client.read()), 20001)
        self.assertEqual([client.read()["id"] for _ in range(3000)],
                         list(range(1, 3001)))

    def test_notifications_alone_are_not_answered(self):
        client = self.client(self.daemon())
        self.array(client, self.message(None, "server.info"),
                   self.message(None, "no.such"))
        client.send_raw(ping(1))
        self.assertEqual(client.read()["id"], 1)

    def test_end_of_input_answers_what_is_there(self):
        client = self.client(self.daemon())
        self.array(client, self.message(1, "queue.get", queue="q"),
                   self.message(2, "server.info"))
        client.half_close()
        rest = client.rest()
        self.assertEqual([[r["id"] for r in array] for array in rest], [[2]])

    def test_answer_that_would_be_huge_is_cut_off(self):
        """A few bytes must not make the daemon gather gigabytes."""
        config = self.write("c", "max_message = 1M\n")
        daemon = self.daemon(config=config)
        client = self.client(daemon)
        before = daemon.rss_bytes()
        # Each element of 2 bytes is answered with an error of 150.
        client.send_raw(b"[" + b"0," * 500000 + b"0]\n" + ping(1))
        replies = client.read()
        self.assertEqual(replies[-1]["error"]["data"]["name"], "limit")
        self.assertEqual(replies[-1]["error"]["data"]["limit"], "max_message")
        self.assertEqual(client.read()["id"], 1)
        self.assertLess(daemon.rss_bytes() - before, 64 << 20)


if __name__ == "__main__":
    harness.main()
