"""What a hostile client does to the round trips of the others.

Measured and told, never judged: a loaded machine says nothing. The promise is
that the 99th percentile grows by at most a factor of two and a millisecond.
"""
import os
import signal
import subprocess
import sys
import time

import swarm  # noqa: F401  it knows where the harness is
import crowds
import harness


def go():
    """What had to be prepared is there: the flood begins."""
    print("go", flush=True)


def flood(client, lines):
    go()
    while True:
        client.send_raw(lines)


def flood_reading(client, line):
    """Sends ahead and reads everything."""
    go()
    while True:
        client.send_raw(line * 500)
        for _ in range(500):
            client.read_line()


# Each gets a path and goes on until it is killed.

def reads_nothing(path):
    flood(harness.Client(path), harness.request(1, "rpc.discover") * 100)


def small_requests(path):
    flood_reading(harness.Client(path), harness.request(1, "server.info"))


def notifications(path):
    flood(harness.Client(path),
          harness.request(None, "queue.show", {"queue": "h"}) * 1000)


def twenty_floods(path):
    clients = [harness.Client(path) for _ in range(20)]
    lines = harness.request(None, "queue.show", {"queue": "h"}) * 1000
    for client in clients:
        client.socket.setblocking(False)
    sent = [0] * len(clients)
    go()
    while True:
        for n, client in enumerate(clients):
            try:  # the rest of a line first
                sent[n] = (sent[n] + client.socket.send(lines[sent[n]:])) \
                    % len(lines)
            except BlockingIOError:
                pass


def puts_and_takes(path):
    line = (harness.request(1, "queue.put", {"queue": "h", "body": 1})
            + harness.request(2, "queue.get", {"queue": "h", "take": True}))
    client = harness.Client(path)
    go()
    while True:
        client.send_raw(line * 200)
        for _ in range(400):
            client.read_line()


def large_bodies(path):
    client = harness.Client(path)
    go()
    while True:
        client.call("queue.put", queue="h", body="x" * 4000000)
        client.call("queue.get", queue="h", take=True)


def many_bodies(path):
    client = harness.Client(path)
    client.call("queue.declare", queue="h", capacity=0)
    go()
    while True:
        client.call("queue.put", queue="h", bodies=[1] * 100000)
        client.call("queue.purge", queue="h", states=["ready"])


def nonsense(path):
    client = harness.Client(path)
    go()
    while True:
        client.send_raw(b"}{\n" * 10000)
        for _ in range(10000):
            client.read_line()


def lists(path):
    client = harness.Client(path)
    client.call("queue.declare", queue="h", capacity=0)
    client.call("queue.put", queue="h", bodies=["x" * 1000] * 2000)
    flood_reading(client, harness.request(
        1, "job.list", {"queue": "h", "limit": 1000}))


def filtered_lists(path):
    client = harness.Client(path)
    client.call("queue.declare", queue="h", capacity=0)
    for _ in range(2):
        client.call("queue.put", queue="h", bodies=[1] * 100000)
    flood_reading(client, harness.request(
        1, "job.list", {"queue": "h", "state": "dead"}))


def comes_and_goes(path):
    go()
    while True:
        crowds.connect_and_drop(path)


def waits_and_goes(path):
    go()
    while True:
        client = harness.Client(path)
        client.send_raw(b"".join(
            harness.request(n, "queue.get", {"queue": f"h{n % 50}"})
            for n in range(4000)) + harness.request("x", "server.info"))
        client.wait("x")
        client.close()


def half_lines(path):
    clients = [harness.Client(path) for _ in range(500)]
    go()
    while True:
        for client in clients:
            client.send_raw(b"[")


def bulk_puts(path, body="x" * 100, clients=2):
    """Each puts and takes 128 jobs a message, four messages under way. What is
    taken was put long before, so each batch has rows of both kinds."""
    lines = []
    for n in range(clients):
        client = harness.Client(path)
        client.call("queue.declare", queue=f"h{n}", capacity=0)
        for _ in range(20):
            client.call("queue.put", queue=f"h{n}", bodies=[body] * 128)
        lines.append((client, [
            harness.request(2 * turn, "queue.put",
                            {"queue": f"h{n}", "bodies": [body] * 128})
            + harness.request(2 * turn + 1, "queue.get",
                              {"queue": f"h{n}", "max": 128, "take": True})
            for turn in range(4)]))
    for client, turns in lines:
        client.send_raw(b"".join(turns))
    go()
    while True:
        for client, turns in lines:
            for line in turns:
                client.read_line()
                client.read_line()
                client.send_raw(line)


def large_bulk_puts(path):
    bulk_puts(path, body="x" * 4096)


def many_bulk_puts(path):
    bulk_puts(path, clients=8)


def takes(path):
    """Small requests that end a thousand jobs each."""
    client = harness.Client(path)
    client.call("queue.declare", queue="h", capacity=0)
    for _ in range(10):
        client.call("queue.put", queue="h", bodies=[1] * 100000)
    line = b"".join(harness.request(n, "queue.get",
                                    {"queue": "h", "max": 1000, "take": True})
                    for n in range(10))
    go()
    while True:
        for _ in range(100):
            client.send_raw(line)
            for _ in range(10):
                client.read_line()
        for _ in range(10):
            client.call("queue.put", queue="h", bodies=[1] * 100000)


def hundreds_of_thousands(path):
    """A line of nearly 4 MiB, full of the smallest jobs there are."""
    client = harness.Client(path)
    client.call("queue.declare", queue="h", capacity=0)
    line = (harness.request(1, "queue.put",
                            {"queue": "h", "bodies": [1] * 1300000})
            + harness.request(2, "queue.purge",
                              {"queue": "h", "states": ["ready"]}))
    go()
    while True:
        client.send_raw(line)
        client.read_line()
        client.read_line()


KINDS = {kind.__name__: kind for kind in (
    reads_nothing, small_requests, notifications, twenty_floods,
    puts_and_takes, large_bodies, many_bodies, nonsense, lists,
    filtered_lists, comes_and_goes, waits_and_goes, half_lines, bulk_puts,
    large_bulk_puts, many_bulk_puts, takes, hundreds_of_thousands)}


def percentile(times, part):
    return sorted(times)[min(len(times) - 1, int(len(times) * part))] * 1e3


def ask(client):
    client.call("server.info")


def put(client):
    """A round trip that the disk is in."""
    client.call("queue.put", queue="quiet", body=1)


TRIPS = (ask, put)
ROUNDS = 4
MOST_STOLEN = 0.03  # of a processor, by other machines


def measure(client, count, trip, times):
    """Adds the seconds of `count` round trips to `times`."""
    for _ in range(count):
        began = time.perf_counter()
        trip(client)
        times.append(time.perf_counter() - began)


def stolen_seconds():
    """What other machines have taken of the processors of this one, if it is a
    virtual one: neither the daemon nor the hostile client can help that."""
    with open("/proc/stat", encoding="ascii") as stat:
        return int(stat.readline().split()[8]) / os.sysconf("SC_CLK_TCK")


def put_first(pid):
    """So that other work of the machine is measured as little as may be. Not
    real-time: the kernel's own threads, which write the disk, are not."""
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            os.setpriority(os.PRIO_PROCESS, int(thread), -19)
        return True
    except OSError:
        return False


class Row:
    """A kind of round trip: what it took alone, and beside the hostile one."""

    def __init__(self, trip):
        self.trip = trip
        self.alone = []
        self.beside = []

    def add(self, other):
        self.alone += other.alone
        self.beside += other.beside

    def show(self, name, remark):
        most = 2 * percentile(self.alone, 0.99) + 1
        seen = percentile(self.beside, 0.99)
        figures = [percentile(times, part)
                   for times in (self.alone, self.beside)
                   for part in (0.5, 0.99)]
        print(f"  {name:21} {self.trip.__name__:5}",
              *(f"{figure:8.3f}" for figure in figures),
              f"  {'within' if seen <= most else 'OVER'} {most:.3f}{remark}",
              flush=True)


def take_round(name, daemon, client, count):
    """A row for each round trip, the greatest share of a processor that other
    machines took in a part of it, and whether the hostile client ended by
    itself."""
    rows = [Row(trip) for trip in TRIPS]
    shares = []

    def part(trip, times):
        began, stolen = time.monotonic(), stolen_seconds()
        measure(client, count, trip, times)
        shares.append((stolen_seconds() - stolen)
                      / (time.monotonic() - began))

    for row in rows:
        measure(client, count // 10, row.trip, [])
        part(row.trip, row.alone)
    hostile = subprocess.Popen(
        [sys.executable, "-S", "-E", "-B", __file__, name,
         daemon.socket_path], stdout=subprocess.PIPE)
    os.setpriority(os.PRIO_PROCESS, hostile.pid, 0)
    try:
        hostile.stdout.readline()
        for row in rows:
            measure(client, 100, row.trip, [])  # until it is in full swing
            part(row.trip, row.beside)
        return rows, max(shares), hostile.poll() is not None
    finally:
        hostile.send_signal(signal.SIGKILL)
        hostile.wait()
        hostile.stdout.close()


def compare(name, count):
    """Rounds of so many round trips, each with a daemon of its own, alone and
    beside that kind in turn, so that what else goes on in the machine meets
    both. A round during which other machines took much is made again, whatever
    it showed, but at most twice for each that is wanted. False: the hostile
    client ended."""
    sums = [Row(trip) for trip in TRIPS]
    left_out = counted = stolen_from = 0
    while counted < ROUNDS:
        with crowds.Stage() as daemon, daemon.client() as client:
            first = put_first(os.getpid()) and put_first(daemon.pid)
            client.call("queue.declare", queue="quiet", capacity=0)
            rows, stolen, ended = take_round(name, daemon, client, count)
        if ended:
            return False
        if stolen > MOST_STOLEN and left_out < 2 * ROUNDS:
            left_out += 1
            continue
        counted += 1
        stolen_from += stolen > MOST_STOLEN
        for total, row in zip(sums, rows):
            total.add(row)
    remark = "" if first else ", others of the machine in it"
    if left_out:
        remark += f", {left_out} rounds left out"
    if stolen_from:
        remark += f", {stolen_from} of {ROUNDS} stolen from"
    for row in sums:
        row.show(name, remark)
    return True


def run(options):
    count = 25 if options.short else 1000
    kinds = ["reads_nothing", "filtered_lists", "twenty_floods", "bulk_puts"] \
        if options.short else options.only or list(KINDS)
    faults = []
    print(f"  ms, one at a time: {'alone':>17} {'':8} {'beside it':>8}\n"
          f"  {'':27} {'p50':>8} {'p99':>8} {'p50':>8} {'p99':>8}   most: "
          f"twice the p99 alone and 1 ms")
    for name in kinds:
        if not compare(name, count):
            faults.append(f"{name} ended by itself")
    return faults


if __name__ == "__main__":
    KINDS[sys.argv[1]](sys.argv[2])
