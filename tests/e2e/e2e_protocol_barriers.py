#!/usr/bin/env python3
"""What proto/PROTOCOL.md promises for events and barriers, over raw sockets.

Each connection is a session, so a party or a waiter is a request of a client
of its own, or one of many on one connection. Nothing here knows the daemon's
inside; order and time are told by its answers alone.
"""

import os

import harness


class MeetCase(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.syncd = self.daemon(store="sqlite")
        self.rpc = self.client(self.syncd)

    def clients(self, count):
        return [self.client(self.syncd) for _ in range(count)]

    def wait_waiters(self, kind, name, count):
        """Until so many wait there."""
        self.wait_until(lambda: self.show(kind, name)["waiters"] == count,
                        f"{count} waiters of {kind} {name}")

    def show(self, kind, name):
        return self.rpc.call(f"{kind}.show", **{kind: name})

    def assertBroken(self, reason, call, *args, **params):
        error = self.assertRpcError("broken", call, *args, **params)
        self.assertEqual(error.code, -32006)
        self.assertEqual(error.data["reason"], reason)
        self.assertFalse(error.data["retryable"])

    def assertSilent(self, *clients):
        """None of them has been told anything. What is on its way has arrived:
        whatever was to be told was sent before this answer."""
        self.rpc.call("server.info")
        for client in clients:
            self.assertFalse(client.has_input())


class Names(MeetCase):
    def test_names_and_parameters(self):
        for kind, method, more in (
                ("event", "event.set", {}), ("event", "event.wait", {}),
                ("event", "event.clear", {}), ("event", "event.show", {}),
                ("barrier", "barrier.wait", {"parties": 1}),
                ("barrier", "barrier.abort", {}),
                ("barrier", "barrier.show", {})):
            for bad in ("", "x" * 201, "ü" * 101, "a\nb", "\x7f", None, 5, []):
                error = self.assertRpcError("invalid_params", self.rpc.call,
                                            method, **{kind: bad}, **more)
                self.assertEqual(error.data["param"], kind, (method, bad))
            self.assertRpcError("invalid_params", self.rpc.call, method,
                                **more)
            error = self.assertRpcError("invalid_params", self.rpc.call,
                                        method, **{kind: "x"}, odd=1, **more)
            self.assertEqual(error.data["param"], "odd")
        for good in ("x" * 200, "ü" * 100, " ", "a/b", "\"\\"):
            self.rpc.call("event.set", event=good)
            self.rpc.call("barrier.wait", barrier=good, parties=1)

    def test_timeouts(self):
        for bad in (-1, "5", True, None, 1e11):
            for method, params in (("event.wait", {"event": "e"}),
                                   ("barrier.wait", {"barrier": "b",
                                                     "parties": 2})):
                error = self.assertRpcError("invalid_params", self.rpc.call,
                                            method, timeout=bad, **params)
                self.assertEqual(error.data["param"], "timeout")
        # Nothing is half done: nobody waits.
        self.assertEqual(self.show("event", "e")["waiters"], 0)
        self.assertEqual(self.show("barrier", "b")["broken"], False)
        # The longest there is is not refused, and does not overflow.
        waiter = self.client(self.syncd)
        id = waiter.send("event.wait", event="e", timeout=1e10)
        self.wait_waiters("event", "e", 1)
        self.rpc.call("event.set", event="e")
        self.assertEqual(waiter.wait(id), {"set": True})

    def test_lists_by_name_in_pages(self):
        names = [f"n{i}" for i in range(5)]
        for name in names + ["other"]:
            self.rpc.call("event.set", event=name)
            self.rpc.call("barrier.abort", barrier=name)
        for kind, list in (("event", "events"), ("barrier", "barriers")):
            seen = []
            after = {}
            while True:
                page = self.rpc.call(f"{kind}.list", prefix="n", limit=2,
                                     **after)
                seen += [one[kind] for one in page[list]]
                if "next" not in page:
                    break
                after = {"after": page["next"]}
            self.assertEqual(seen, names)
            self.assertRpcError("invalid_params", self.rpc.call,
                                f"{kind}.list", limit=1001)

    def test_who_waits(self):
        waiter = self.client(self.syncd)
        waiter.call("session.open", client="the waiter")
        waiter.send("event.wait", event="e")
        waiter.send("barrier.wait", barrier="b", parties=2)
        self.wait_waiters("event", "e", 1)
        self.wait_waiters("barrier", "b", 1)
        for kind, name in (("event", "e"), ("barrier", "b")):
            who = self.show(kind, name)["waiting"][0]
            self.assertEqual(who["client"], "the waiter")
            self.assertEqual(who["pid"], os.getpid())
            self.assertEqual(who["uid"], os.getuid())
            self.assertFalse(who["away"])
            self.assertGreater(who["since"], 1e9)

    def test_never_used(self):
        self.assertEqual(self.show("event", "never"), {
            "event": "never", "set": False, "jobs": 0, "waiters": 0,
            "waiting": []})
        self.assertEqual(self.show("barrier", "never"), {
            "barrier": "never", "parties": 0, "missing": 0, "broken": False,
            "generation": 0, "passing": 0, "acting": [], "waiters": 0,
            "waiting": []})
        self.assertEqual(self.rpc.call("event.list"), {"events": []})
        self.assertEqual(self.rpc.call("barrier.list"), {"barriers": []})


class Events(MeetCase):
    def test_set_is_seen_until_it_is_cleared(self):
        self.assertEqual(self.rpc.call("event.wait", event="e", timeout=0),
                         {"set": False})
        self.assertEqual(self.rpc.call("event.set", event="e"), {})
        self.assertEqual(self.rpc.call("event.set", event="e"), {})
        for _ in range(2):
            self.assertEqual(self.rpc.call("event.wait", event="e"),
                             {"set": True})
        self.assertEqual(self.rpc.call("event.clear", event="e"), {})
        self.assertEqual(self.rpc.call("event.clear", event="e"), {})
        self.assertEqual(self.rpc.call("event.wait", event="e", timeout=0),
                         {"set": False})

    def test_a_set_wakes_everybody_also_when_cleared_at_once(self):
        for _ in range(20):
            waiters = self.clients(5)
            ids = [waiter.send("event.wait", event="e") for waiter in waiters]
            self.wait_waiters("event", "e", 5)
            self.rpc.send_raw(
                harness.request(None, "event.set", {"event": "e"}) +
                harness.request(None, "event.clear", {"event": "e"}))
            late = self.client(self.syncd)
            for waiter, id in zip(waiters, ids):
                self.assertEqual(waiter.wait(id), {"set": True})
            self.assertEqual(late.call("event.wait", event="e", timeout=0),
                             {"set": False})
            for client in waiters + [late]:
                client.close()

    def test_ten_microseconds_are_neither_none_nor_for_ever(self):
        for _ in range(100):
            self.assertEqual(
                self.rpc.call("event.wait", event="e", timeout=0.00001),
                {"set": False})
        self.rpc.call("event.set", event="e")
        self.assertEqual(
            self.rpc.call("event.wait", event="e", timeout=0.00001),
            {"set": True})

    def test_whoever_left_leaves_no_ghost(self):
        timed, cancelled, dead, stays = self.clients(4)
        id = timed.send("event.wait", event="e", timeout=0.01)
        self.assertEqual(timed.wait(id), {"set": False})
        id = cancelled.send("event.wait", event="e")
        self.assertEqual(cancelled.call("session.cancel", request=id),
                         {"cancelled": True})
        self.assertRpcError("cancelled", cancelled.wait, id)
        dead.send("event.wait", event="e")
        self.wait_waiters("event", "e", 1)
        dead.close()
        self.wait_waiters("event", "e", 0)
        self.assertEqual(self.rpc.call("event.list"), {"events": []})
        id = stays.send("event.wait", event="e")
        self.wait_waiters("event", "e", 1)
        self.rpc.call("event.set", event="e")
        self.assertEqual(stays.wait(id), {"set": True})
        self.assertSilent(timed, cancelled)

    def test_it_survives_the_daemon(self):
        self.rpc.call("event.set", event="set")
        self.rpc.call("event.set", event="cleared")
        self.rpc.call("event.clear", event="cleared")
        self.syncd.kill()
        self.syncd.start()
        self.rpc = self.client(self.syncd)
        self.assertEqual([event["event"] for event in
                          self.rpc.call("event.list")["events"]], ["set"])

    def test_waiters_are_told_of_the_end(self):
        waiter = self.client(self.syncd)
        id = waiter.send("event.wait", event="e")
        self.wait_waiters("event", "e", 1)
        self.syncd.signal(15)
        error = self.assertRpcError("unavailable", waiter.wait, id)
        self.assertTrue(error.data["retryable"])
        self.assertEqual(self.syncd.wait_exit(), 0)

    def test_those_of_batches_are_theirs(self):
        for method in ("event.set", "event.clear"):
            error = self.assertRpcError("forbidden", self.rpc.call, method,
                                        event="batch/b/s")
            self.assertEqual(error.code, -32008)
        self.assertEqual(self.rpc.call("event.wait", event="batch/b/s",
                                       timeout=0), {"set": False})

    def test_jobs_after_events(self):
        id = self.rpc.call("queue.put", queue="q", body=1,
                           after=["e", "f"])["id"]
        worker = self.client(self.syncd)
        got = worker.send("queue.get", queue="q")
        for _ in range(2):
            self.rpc.call("event.set", event="e")
            self.rpc.call("event.clear", event="e")
            self.assertEqual(self.rpc.call("job.show", id=id)["state"], "held")
        self.assertSilent(worker)
        self.rpc.call("event.set", event="f")
        self.assertEqual(worker.wait(got)["jobs"][0]["id"], id)
        # One that is set already holds nothing.
        self.rpc.call("queue.put", queue="p", body=1, after=["f"])
        self.assertEqual(len(self.rpc.call("queue.get", queue="p")["jobs"]), 1)


class Barriers(MeetCase):
    def wait(self, client, parties=2, **more):
        return client.send("barrier.wait", barrier="b", parties=parties,
                           **more)

    def arrive(self, clients, parties, **more):
        """Each waits, one after the other; the ids."""
        ids = []
        for n, client in enumerate(clients, 1):
            ids.append(self.wait(client, parties, **more))
            self.wait_waiters("barrier", "b", n)
        return ids

    def test_indexes_are_the_order_of_arrival(self):
        clients = self.clients(4)
        ids = self.arrive(clients[:3], 4)
        shown = self.show("barrier", "b")
        self.assertEqual((shown["parties"], shown["missing"]), (4, 1))
        ids.append(self.wait(clients[3], 4))
        for n, (client, id) in enumerate(zip(clients, ids)):
            self.assertEqual(client.wait(id), {"index": n, "generation": 0})
        self.assertEqual(self.show("barrier", "b")["generation"], 1)
        self.assertEqual(self.rpc.call("barrier.list"), {"barriers": []})

    def test_a_fast_party_of_the_next_round_is_not_counted(self):
        one, two = self.clients(2)
        for generation in range(50):
            first = self.wait(one)
            fast = self.wait(two)   # the last of this round ...
            next = self.wait(two)   # ... and the first of the next
            index = two.wait(fast)["index"]
            self.assertEqual(one.wait(first), {
                "index": 1 - index, "generation": 2 * generation})
            self.assertSilent(two)
            last = self.wait(one)
            self.assertEqual(two.wait(next), {
                "index": 0, "generation": 2 * generation + 1})
            self.assertEqual(one.wait(last)["index"], 1)

    def test_a_thousand_passes_in_a_row(self):
        clients = self.clients(3)
        for generation in range(1000):
            ids = [self.wait(client, 3) for client in clients]
            places = [client.wait(id) for client, id in zip(clients, ids)]
            self.assertEqual(sorted(place["index"] for place in places),
                             [0, 1, 2])
            self.assertEqual({place["generation"] for place in places},
                             {generation})

    def test_many_parties_of_one_connection(self):
        ids = [self.wait(self.rpc, 5) for _ in range(12)]
        places = [self.rpc.wait(id) for id in ids[:10]]
        self.assertEqual([place["index"] for place in places],
                         [0, 1, 2, 3, 4] * 2)
        self.assertEqual(self.show("barrier", "b")["missing"], 3)

    def test_a_notification_is_no_party(self):
        one = self.client(self.syncd)
        id = self.wait(one)
        self.wait_waiters("barrier", "b", 1)
        self.rpc.notify("barrier.wait", barrier="b", parties=2)
        self.assertSilent(one)
        self.assertEqual(self.show("barrier", "b")["waiters"], 1)
        self.rpc.call("barrier.wait", barrier="b", parties=2)
        self.assertEqual(one.wait(id)["index"], 0)

    def test_parties_are_fixed_by_the_first(self):
        one = self.client(self.syncd)
        id = self.wait(one, 3)
        self.wait_waiters("barrier", "b", 1)
        error = self.assertRpcError("conflict", self.rpc.call, "barrier.wait",
                                    barrier="b", parties=2)
        self.assertEqual(error.code, -32004)
        self.assertEqual(self.show("barrier", "b")["waiters"], 1)
        self.rpc.call("barrier.reset", barrier="b")
        self.assertBroken("reset", one.wait, id)
        # Whole and empty: other terms.
        self.assertEqual(self.rpc.call("barrier.wait", barrier="b",
                                       parties=1)["index"], 0)
        for bad in (0, -1, 1.5, "2", None):
            self.assertRpcError("invalid_params", self.rpc.call,
                                "barrier.wait", barrier="b", parties=bad)

    def test_a_timeout_breaks_it_for_all_until_it_is_reset(self):
        clients = self.clients(2)
        ids = self.arrive(clients, 4)
        self.assertBroken("timeout", self.rpc.call, "barrier.wait",
                          barrier="b", parties=4, timeout=0.00001)
        for client, id in zip(clients, ids):
            self.assertBroken("timeout", client.wait, id)
        for parties in (4, 1):
            self.assertBroken("timeout", self.rpc.call, "barrier.wait",
                              barrier="b", parties=parties)
        shown = self.show("barrier", "b")
        self.assertEqual((shown["broken"], shown["reason"], shown["waiters"]),
                         (True, "timeout", 0))
        self.assertEqual(self.rpc.call("barrier.reset", barrier="b"), {})
        # Those of before are no ghosts of the new round.
        ids = self.arrive(clients, 3)
        self.assertEqual(self.rpc.call("barrier.wait", barrier="b",
                                       parties=3)["index"], 2)
        for client, id in zip(clients, ids):
            client.wait(id)

    def test_zero_is_not_to_wait(self):
        self.assertBroken("timeout", self.rpc.call, "barrier.wait",
                          barrier="b", parties=2, timeout=0)
        self.rpc.call("barrier.reset", barrier="b")
        one = self.client(self.syncd)
        id = self.wait(one)
        self.wait_waiters("barrier", "b", 1)
        self.assertEqual(self.rpc.call("barrier.wait", barrier="b", parties=2,
                                       timeout=0)["index"], 1)
        self.assertEqual(one.wait(id)["index"], 0)

    def test_a_party_that_is_cancelled_or_dies(self):
        one, two = self.clients(2)
        ids = self.arrive([one, two], 3)
        self.assertEqual(two.call("session.cancel", request=ids[1]),
                         {"cancelled": True})
        self.assertRpcError("cancelled", two.wait, ids[1])
        self.assertBroken("cancelled", one.wait, ids[0])
        self.rpc.call("barrier.reset", barrier="b")
        ids = self.arrive([one, two], 3)
        two.close()
        self.assertBroken("a party is gone", one.wait, ids[0])
        self.assertBroken("a party is gone", self.rpc.call, "barrier.wait",
                          barrier="b", parties=3)

    def test_abort_and_reset(self):
        one = self.client(self.syncd)
        self.rpc.call("barrier.reset", barrier="never")
        self.rpc.call("barrier.abort", barrier="b")
        self.assertBroken("aborted", self.rpc.call, "barrier.wait",
                          barrier="b", parties=1)
        self.rpc.call("barrier.reset", barrier="b")
        for method, reason in (("abort", "aborted"), ("reset", "reset")):
            id = self.wait(one)
            self.wait_waiters("barrier", "b", 1)
            self.assertEqual(self.rpc.call(f"barrier.{method}", barrier="b"),
                             {})
            self.assertBroken(reason, one.wait, id)
            self.rpc.call("barrier.reset", barrier="b")

    def test_the_action_comes_before_anyone_goes_on(self):
        one, two, next = self.clients(3)
        id = self.wait(one)
        self.wait_waiters("barrier", "b", 1)
        place = two.call("barrier.wait", barrier="b", parties=2, action=True)
        self.assertEqual(place, {"index": 1, "generation": 0, "action": True})
        # Whoever comes belongs to the next round.
        later = self.wait(next)
        self.wait_waiters("barrier", "b", 1)
        self.assertSilent(one, next)
        shown = self.show("barrier", "b")
        self.assertEqual((shown["missing"], shown["acting"][0]["waiters"]),
                         (1, 1))
        # Only the one that acts lets the others go, and only once.
        for client, generation in ((one, 0), (next, 0), (two, 1)):
            self.assertRpcError("broken", client.call, "barrier.pass",
                                barrier="b", generation=generation)
        self.assertSilent(one)
        self.assertEqual(two.call("barrier.pass", barrier="b", generation=0),
                         {})
        self.assertEqual(one.wait(id), {"index": 0, "generation": 0})
        self.assertRpcError("broken", two.call, "barrier.pass", barrier="b",
                            generation=0)
        self.rpc.call("barrier.wait", barrier="b", parties=2)
        self.assertEqual(next.wait(later), {"index": 0, "generation": 1})

    def test_the_last_ones_action_decides(self):
        one, two = self.clients(2)
        id = self.wait(one, action=True)
        self.wait_waiters("barrier", "b", 1)
        self.assertEqual(two.call("barrier.wait", barrier="b", parties=2),
                         {"index": 1, "generation": 0})
        self.assertEqual(one.wait(id), {"index": 0, "generation": 0})

    def test_an_action_that_does_not_end_well(self):
        one, two, three = self.clients(3)
        for end, reason in ((lambda c: c.call("barrier.abort", barrier="b"),
                             "aborted"),
                            (lambda c: c.call("barrier.reset", barrier="b"),
                             "reset"),
                            (lambda c: c.close(), "a party is gone")):
            ids = self.arrive([one, three], 3)
            place = two.call("barrier.wait", barrier="b", parties=3,
                             action=True)
            self.assertTrue(place["action"])
            end(two)
            self.assertBroken(reason, one.wait, ids[0])
            self.assertBroken(reason, three.wait, ids[1])
            self.rpc.call("barrier.reset", barrier="b")

    def test_the_end_of_the_daemon(self):
        one = self.client(self.syncd)
        id = self.wait(one)
        self.wait_waiters("barrier", "b", 1)
        self.syncd.signal(15)
        self.assertBroken("restart", one.wait, id)
        self.assertEqual(self.syncd.wait_exit(), 0)
        self.syncd.start()
        self.rpc = self.client(self.syncd)
        self.assertBroken("restart", self.rpc.call, "barrier.wait",
                          barrier="b", parties=2)
        self.rpc.call("barrier.reset", barrier="b")
        one = self.client(self.syncd)
        self.wait(one)
        self.wait_waiters("barrier", "b", 1)
        self.rpc.call("event.set", event="all before it is on disk")
        self.rpc.call("barrier.abort", barrier="aborted")
        self.syncd.kill()
        self.syncd.start()
        self.rpc = self.client(self.syncd)
        for name in ("b", "aborted"):
            self.assertBroken("restart", self.rpc.call, "barrier.wait",
                              barrier=name, parties=2)


if __name__ == "__main__":
    harness.main()
