#!/usr/bin/env python3
"""What it costs to release the next stage of a batch.

    release.py [BIN] [JOBS]      100,000 jobs unless told otherwise

The last job of a stage is finished, and so many jobs of the next one are
released, while another client asks for nothing but an answer, over and over: the
longest it had to wait is how long the loop was held. The rows that were written
are counted by the daemon: that of the job that is done, and the one of the
batch. It reports and judges nothing but these rows, which are the same
everywhere; times are those of this machine.
"""

import os
import shutil
import sys
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "e2e"))
sys.dont_write_bytecode = True

import harness  # noqa: E402

CHUNK = 10000


class Pinger(threading.Thread):
    """Asks again as soon as it is answered; keeps how long each took."""

    def __init__(self, daemon):
        super().__init__()
        self.client = daemon.client()
        self.times = []
        self.over = threading.Event()

    def run(self):
        while not self.over.is_set():
            begin = time.monotonic()
            self.client.call("server.info")
            self.times.append(time.monotonic() - begin)

    def stop(self):
        self.over.set()
        self.join()
        return sorted(self.times)


def fill(client, jobs):
    client.call("queue.declare", queue="q", capacity=0)
    client.call("batch.create", batch="b", stages=["first", "next"])
    client.call("queue.put", queue="q", batch="b", stage="first", body=0)
    for begin in range(0, jobs, CHUNK):
        client.call("queue.put", queue="q", batch="b", stage="next",
                    bodies=list(range(begin, min(begin + CHUNK, jobs))))
    client.call("batch.seal", batch="b")
    return client.call("queue.get", queue="q")["jobs"][0]


def rows(client):
    return client.call("server.stats")["counters"]["rows"]


def measure(daemon, jobs):
    client = daemon.client()
    job = fill(client, jobs)
    before = rows(client)
    pinger = Pinger(daemon)
    pinger.start()
    cpu = daemon.cpu_seconds()
    begin = time.monotonic()
    client.call("queue.done", id=job["id"], token=job["token"])
    done = time.monotonic() - begin
    worker = daemon.client()
    got = worker.call("queue.get", queue="q", max=1)["jobs"]
    first = time.monotonic() - begin
    while worker.call("queue.show", queue="q")["counts"]["ready"] < jobs - 1:
        pass
    cpu = daemon.cpu_seconds() - cpu
    times = pinger.stop()
    written = rows(client) - before
    assert got[0]["stage"] == "next"
    print(f"{jobs} jobs of the next stage\n"
          f"  done answered after         {done * 1e3:8.2f} ms\n"
          f"  first of them handed out    {first * 1e3:8.2f} ms\n"
          f"  longest wait of a bystander {times[-1] * 1e3:8.2f} ms "
          f"({len(times)} answers, half of them within "
          f"{times[len(times) // 2] * 1e3:.2f} ms)\n"
          f"  time of the processor       {cpu * 1e3:8.0f} ms\n"
          f"  rows written                {written:8d}")
    return written


def main():
    if len(sys.argv) > 1 and os.path.isdir(sys.argv[1]):
        harness.BIN = sys.argv.pop(1)
        harness.SYNCD = os.path.join(harness.BIN, "syncd")
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else 100000
    directory = tempfile.mkdtemp(prefix="syncd-release-")
    daemon = harness.Daemon(directory)
    try:
        daemon.start()
        written = measure(daemon, jobs)
        daemon.stop()
    finally:
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.kill()
        shutil.rmtree(directory, ignore_errors=True)
    return 0 if written == 2 else f"{written} rows, not 2"


if __name__ == "__main__":
    sys.exit(main())
