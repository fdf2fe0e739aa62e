"""What is measured, as data where it can be.

A scenario has cases, one a server, which run in turn, over and over: so that
whatever else the machine does meets all of them. A case gives a dictionary of
measures; the first of `measures` is drawn first, and ratios are to the first
case. What each of them means stands in README.md.
"""
import os
import resource
import socket
import subprocess
import sys
import json

import commands
from servers import (Beanstalkd, BeanstalkdDisk, RedisAlways, RedisLists,
                     RedisSteps, RedisStreams, SyncdDisk, SyncdMemory)

RATE = ("rate", "a second", "more")
CPU = ("cpu_us", "us of server CPU each", "less")
CLIENT = ("client_us", "us of client CPU each", "less")
MEDIAN = ("median_us", "us, median", "less")
BYTES = ("bytes", "bytes", "less")
SECONDS = ("seconds", "s", "less")

# How many jobs a server is given, of those that syncd gets: as many as take it
# about as long.
SHARES = {RedisLists: 0.7, RedisStreams: 0.4, RedisAlways: 0.4,
          Beanstalkd: 0.06, BeanstalkdDisk: 0.03}


class Scenario:
    def __init__(self, name, title, measures, cases):
        self.name = name
        self.title = title
        self.measures = measures
        self.cases = cases  # (label, settings, function(bench) -> measures)


def load(bench, server, work, jobs, **keys):
    """Runs the load generator; its measures."""
    out = subprocess.run(
        [os.path.join(bench.bin, "bench_load"), server.protocol, work,
         "path=" + server.socket, "pid=%d" % server.process.pid,
         "jobs=%d" % max(int(jobs * bench.scale), 20)] +
        ["%s=%d" % pair for pair in keys.items()],
        stdout=subprocess.PIPE, check=False)
    if out.returncode != 0:
        sys.exit("bench: %s, %s failed" % (server.name, work))
    return json.loads(out.stdout)


def case(kind, work, jobs, label=None, share=True, backlog=0, before=0,
         **keys):
    """A fresh server under a work; behind `backlog` older jobs, or after
    `before` jobs of the same work, so that all that it uses is there."""
    jobs = jobs * SHARES.get(kind, 1) if share else jobs

    def run(bench):
        server = kind()
        if backlog:
            load(bench, server, "flow", backlog, producers=2, message=128,
                 depth=4, body=keys.get("body", 100))
        if before:
            load(bench, server, work, before, **keys)
        measures = load(bench, server, work, jobs, **keys)
        if not backlog and keys.get("consumers"):
            server.check_empty()
        server.close()
        return measures
    return (label or kind.name, kind.settings, run)


def flow(name, title, kinds, jobs, **keys):
    keys = dict(producers=2, consumers=2, **keys)
    return Scenario(name, title, (CPU, RATE),
                    [case(kind, "flow", jobs, **keys) for kind in kinds])


def puts(producers, jobs, more=()):
    return Scenario(
        "puts-%d" % producers,
        "durable puts, %d producer%s, one put of each under way" % (
            producers, "s" if producers > 1 else ""), (RATE, CPU),
        [case(kind, "flow", jobs, share=False, producers=producers)
         for kind in (SyncdDisk, RedisAlways)] +
        [case(BeanstalkdDisk, "flow", jobs / 5, share=False,
              producers=producers)] + list(more))


def bare(work, label):
    """The disk without a server, in the same directory as theirs."""
    def run(bench):
        server = SyncdMemory()
        folder = server.folder
        out = subprocess.run(
            [os.path.join(bench.bin, "bench_load"), "syncd", work,
             "path=" + folder, "jobs=%d" % max(int(3000 * bench.scale), 20)],
            stdout=subprocess.PIPE, check=True)
        server.close()
        return json.loads(out.stdout)
    return (label, "4 KiB written and fdatasynced", run)


def turns(name, title, work, measures, kinds, jobs, **keys):
    return Scenario(name, title, measures,
                    [case(kind, work, jobs, share=False, **keys)
                     for kind in kinds])


def waiting_job(kind):
    def run(bench):
        server = kind()
        before = server.memory()
        done = load(bench, server, "flow", 1000000 * SHARES.get(kind, 1),
                    producers=2, message=128, depth=4)["done"]
        grown = server.memory() - before
        server.close()
        return {"bytes": grown / done}
    return (kind.name, kind.settings, run)


def idle_connection(kind):
    def run(bench):
        server = kind()
        count = 2000 if bench.scale >= 1 else 50
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
        hello = {"syncd": '{"jsonrpc":"2.0","id":1,"method":"server.info"}\n',
                 "lists": "PING\r\n",
                 "beanstalkd": "list-tube-used\r\n"}[kind.protocol].encode()
        before = server.memory()
        held = []
        for _ in range(count):
            peer = socket.socket(socket.AF_UNIX)
            peer.connect(server.socket)
            peer.sendall(hello)
            peer.recv(65536)
            held.append(peer)
        grown = server.memory() - before
        for peer in held:
            peer.close()
        server.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return {"bytes": grown / count}
    return (kind.name, kind.settings, run)


def restarted(kind, share):
    def run(bench):
        server = kind()
        load(bench, server, "flow", 1000000 * share, producers=2, message=128,
             depth=4)
        seconds = server.restart()
        server.close()
        return {"seconds": seconds}
    label = kind.name + ("" if share == 1 else ", %d jobs" % (1e6 * share))
    return (label, kind.settings, run)


def growth(name, title, labels, cases):
    return Scenario(name, title, (CPU,),
                    [(label, settings, run) for label, (_, settings, run)
                     in zip(labels, cases)])


def backlog_growth(kind, sizes):
    return [case(kind, "flow", 500000, producers=2, consumers=2, message=128,
                 depth=4, backlog=size) for size in sizes]


IN_MEMORY = (SyncdMemory, RedisLists, Beanstalkd)
ALL = (SyncdDisk, SyncdMemory, RedisLists, RedisStreams, RedisAlways,
       Beanstalkd, BeanstalkdDisk)
BACKLOGS = (1000, 100000, 1000000, 5000000)


def scenarios():
    labels = ["%d waiting" % size for size in BACKLOGS]
    return [
        flow("batched", "cycle, 128 jobs of 100 bytes a message", ALL, 1000000,
             message=128, depth=4),
        flow("large", "cycle, 128 jobs of 4 KiB a message", ALL, 200000,
             message=128, depth=4, body=4096),
        flow("single", "cycle, one job a message, pipelined", ALL, 200000,
             message=1, depth=64),
        turns("lockstep", "cycle in lockstep, in memory", "lockstep",
              (RATE, CPU), IN_MEMORY, 20000),
        puts(1, 3000, [bare("disk", "the disk alone, in place"),
                       bare("disk-append", "the disk alone, growing")]),
        puts(16, 30000),
        puts(128, 100000),
        turns("wake", "wake-up: from before the put to the job", "wake",
              (MEDIAN, CPU), (SyncdDisk,) + IN_MEMORY, 5000),
        turns("lock", "lock handed over among 8", "hand-over", (MEDIAN, CPU),
              IN_MEMORY, 30000, parties=8),
        turns("semaphore", "semaphore of 3 among 8", "hand-over", (RATE, CPU),
              IN_MEMORY, 30000, parties=8, value=3),
        turns("barrier", "barrier of 8, rounds", "meet", (RATE, CPU),
              (SyncdMemory, RedisLists, RedisSteps), 10000, parties=8),
        Scenario("memory", "memory of a waiting job of 100 bytes", (BYTES,),
                 [waiting_job(kind) for kind in
                  (SyncdDisk, SyncdMemory, RedisLists, RedisStreams,
                   Beanstalkd)]),
        Scenario("idle", "memory of an idle connection", (BYTES,),
                 [idle_connection(kind) for kind in
                  (SyncdDisk, RedisLists, Beanstalkd)]),
        Scenario("restart", "restart with 1,000,000 jobs, to the first get",
                 (SECONDS,), [restarted(SyncdDisk, 1),
                              restarted(RedisAlways, 1),
                              restarted(BeanstalkdDisk, 0.03)]),
        growth("backlog", "growth with the backlog, on disk", labels,
               backlog_growth(SyncdDisk, BACKLOGS)),
        growth("backlog-memory", "growth with the backlog, in memory", labels,
               backlog_growth(SyncdMemory, BACKLOGS)),
        growth("queues", "growth with the queues, in memory",
               ["%d queues" % n for n in (1, 1000, 100000)],
               [case(SyncdMemory, "flow", 2000000, producers=2, consumers=2,
                     message=16, depth=4, queues=n, before=16 * n)
                for n in (1, 1000, 100000)]),
        growth("waiters", "growth with the waiters in one line, in memory",
               ["%d waiters" % n for n in (1, 100, 10000)],
               [case(SyncdMemory, "line", 30000, waiters=n)
                for n in (1, 100, 10000)]),
        Scenario("lines", "a file of 500,000 lines, each a job",
                 (RATE, CLIENT, CPU),
                 [commands.lines_put(SyncdDisk),
                  commands.lines_put(SyncdMemory),
                  commands.lines_piped(RedisLists),
                  commands.lines_piped(RedisAlways)]),
        Scenario("work", "a command for each job: true", (RATE, CLIENT, CPU),
                 [commands.worked(SyncdDisk, 1), commands.xargs(SyncdMemory, 1),
                  commands.worked(SyncdDisk, 4), commands.xargs(SyncdMemory, 4),
                  commands.worked(SyncdMemory, 4)]),
        Scenario("order", "order of arrival kept, one consumer", (RATE,),
                 [case(SyncdDisk, "flow", 100000, producers=2, consumers=1,
                       message=50, depth=4, order=1)]),
    ]
