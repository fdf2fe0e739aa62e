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


KINDS = {kind.__name__: kind for kind in (
    reads_nothing, small_requests, notifications, twenty_floods,
    puts_and_takes, large_bodies, many_bodies, nonsense, lists,
    filtered_lists, comes_and_goes, waits_and_goes, half_lines)}


def percentile(times, part):
    return sorted(times)[min(len(times) - 1, int(len(times) * part))] * 1e3


def measure(client, count):
    """Milliseconds of a round trip, at the median and the 99th percentile; of
    one that no disk is in."""
    times = []
    for _ in range(count):
        began = time.perf_counter()
        client.call("server.info")
        times.append(time.perf_counter() - began)
    return percentile(times, 0.5), percentile(times, 0.99)


def put_first(pid, rank):
    """So that other work of the machine is not measured as well: real-time, if
    that may be. The higher rank goes first."""
    try:
        os.sched_setscheduler(pid, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK,
                              os.sched_param(rank))
        return True
    except OSError:
        return False


def run(options):
    count = 100 if options.short else 3000
    kinds = ["reads_nothing", "filtered_lists", "twenty_floods"] \
        if options.short else list(KINDS)
    faults = []
    print(f"  {'':16} {'p50 ms':>8} {'p99 ms':>8}   of server.info, one at a "
          f"time; most: twice the p99 alone and 1 ms")
    for name in kinds:
        with crowds.Stage() as daemon, daemon.client() as client:
            alone = put_first(0, 10) and put_first(daemon.pid, 10)
            before = measure(client, count)
            hostile = subprocess.Popen(
                [sys.executable, "-S", "-E", "-B", __file__, name,
                 daemon.socket_path], stdout=subprocess.PIPE)
            put_first(hostile.pid, 5)
            try:
                hostile.stdout.readline()
                measure(client, 100)  # until it is in full swing
                after = measure(client, count)
                if hostile.poll() is not None:
                    faults.append(f"{name} ended with {hostile.returncode}")
            finally:
                hostile.send_signal(signal.SIGKILL)
                hostile.wait()
                hostile.stdout.close()
            most = 2 * before[1] + 1
            print(f"  {'alone':16} {before[0]:8.3f} {before[1]:8.3f}\n"
                  f"  {name:16} {after[0]:8.3f} {after[1]:8.3f}   "
                  f"{'within' if after[1] <= most else 'OVER'} {most:.3f}"
                  f"{'' if alone else ', others of the machine in it'}",
                  flush=True)
    return faults


if __name__ == "__main__":
    KINDS[sys.argv[1]](sys.argv[2])
