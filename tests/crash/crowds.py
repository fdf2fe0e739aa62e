"""Too many clients: more than there are descriptors for, more than read, and
more waiters than anybody has."""
import os
import resource
import shutil
import socket
import subprocess
import tempfile
import threading
import time

import harness

MIB = 1 << 20


class Stage:
    """A daemon and the folder that it lives in."""

    def __init__(self, **options):
        self.directory = tempfile.mkdtemp(prefix="syncd-crash-")
        self.daemon = harness.Daemon(self.directory, **options)

    def __enter__(self):
        self.daemon.start()
        return self.daemon

    def __exit__(self, *_):
        if self.daemon.process.poll() is None:
            self.daemon.kill()
        shutil.rmtree(self.directory)


def clients_possible(wanted):
    """So many clients, or as many as the limit of descriptors can be raised
    for; our children inherit it."""
    spare = 200
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted + spare:
        try:
            hard = wanted + spare
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):
            _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < wanted + spare:
        print(f"  {hard - spare} instead of {wanted} clients: the limit of "
              f"descriptors is {hard}")
    return min(wanted, hard - spare)


def round_trips(client, count):
    for number in range(count):
        client.call("queue.put", queue="q", body=number)
        client.call("queue.get", queue="q", take=True)


def descriptors(options):
    """prlimit --nofile=64 and 1,000 connects: those inside feel nothing, the
    daemon rests, and all are served in the end."""
    faults = []
    count = clients_possible(1000)
    with Stage(nofile=64) as daemon:
        first = daemon.client()
        round_trips(first, 10)
        waiting = [daemon.client() for _ in range(count)]
        ids = [client.send("server.info") for client in waiting]
        daemon.wait_log("no more clients can be let in")
        before = daemon.cpu_seconds()
        began = time.monotonic()
        round_trips(first, 200)
        case = harness.TestCase()
        case.wait_until(lambda: case.is_at_rest(daemon), "rest")
        print(f"  {count} connects with 64 descriptors: 200 puts and gets of "
              f"one inside, {daemon.cpu_seconds() - before:.2f} s of CPU in "
              f"{time.monotonic() - began:.2f} s")
        for client, id in zip(waiting, ids):
            if client.wait(id)["name"] != "syncd":
                faults.append("no answer to one that waited")
            client.close()
        complaints = sum("no more clients" in line for line in daemon.log)
        if complaints > 2:
            faults.append(f"{complaints} complaints in the log")
        round_trips(first, 10)
        first.close()
    return faults


def stuff(client, line):
    """Sends until the daemon takes no more for some time."""
    client.socket.setblocking(False)
    data = line * (65536 // len(line) + 1)
    quiet = 0
    while quiet < 20:
        try:
            client.socket.send(data)
            quiet = 0
        except BlockingIOError:
            quiet += 1
            time.sleep(0.01)


def deaf(options):
    """1,000 clients that send and never read: memory is bounded, others are
    served, and when they go it comes to rest."""
    faults = []
    count = clients_possible(50 if options.short else 1000)
    with Stage() as daemon:
        other = daemon.client()
        round_trips(other, 10)
        before = daemon.rss_bytes()
        clients = [daemon.client() for _ in range(count)]
        line = harness.request(1, "rpc.discover")
        parts = [clients[n::8] for n in range(8)]
        threads = [threading.Thread(target=lambda part=part: [
            stuff(client, line) for client in part]) for part in parts]
        for thread in threads:
            thread.start()
        served = 0
        while any(thread.is_alive() for thread in threads):
            round_trips(other, 1)
            served += 1
        for thread in threads:
            thread.join()
        grown = daemon.rss_bytes() - before
        print(f"  {count} that never read: {grown // MIB} MiB more, and "
              f"{served} round trips of another one meanwhile")
        # What is unsent is bounded in all (256 MiB, and 64 KiB each beyond),
        # and so is what is read ahead (256 KiB each).
        if grown > 512 * MIB + count * (MIB // 2):
            faults.append(f"{grown} bytes for {count} that never read")
        case = harness.TestCase()
        case.wait_until(lambda: case.is_at_rest(daemon), "rest")
        for client in clients:
            client.close()
        round_trips(other, 10)
        case.wait_until(lambda: other.call("server.stats")["gauges"]
                        ["sessions"] == 1, "the others gone")
        other.close()
    return faults


def spread(times):
    """When a half, nine tenths and all of them were back, in seconds."""
    return ", ".join(f"{part} after {at:.2f} s" for part, at in times)


def watch_return(client, count):
    """Polls until all wait again; when which part of them did."""
    began, told = time.monotonic(), []
    parts = [("half", count / 2), ("nine tenths", count * 0.9),
             ("all", count)]
    limit = began + 3 * harness.PATIENCE
    while parts:
        waiting = client.call("queue.show", queue="wait")["waiting"]["get"]
        while parts and waiting >= parts[0][1]:
            told.append((parts.pop(0)[0], time.monotonic() - began))
        if time.monotonic() > limit:
            raise AssertionError(f"{waiting} of {count} waiters are back")
        time.sleep(0.01)
    return told


def waiters(options):
    """10,000 waiters, each a session of the library, and a restart: all come
    back by themselves, with jitter, and each gets its job."""
    count = clients_possible(300 if options.short else 10000)
    each = min(count, 1000)
    count -= count % each
    faults, programs = [], []
    with Stage() as daemon:
        client = daemon.client()
        client.call("queue.declare", queue="wait", capacity=0)
        try:
            programs = [subprocess.Popen(
                [os.path.join(harness.BIN, "crash_client"),
                 daemon.socket_path, f"{daemon.directory}/x{n}.rec", "1",
                 "lib_wait", str(each)]) for n in range(count // each)]
            watch_return(client, count)
            client.close()
            for ending in (daemon.kill, daemon.stop):
                ending()
                daemon.start()
                client = daemon.client()
                told = watch_return(client, count)
                print(f"  {count} waiters after a {ending.__name__}: "
                      f"{spread(told)}; {daemon.cpu_seconds():.2f} s of CPU, "
                      f"{daemon.rss_bytes() // MIB} MiB")
            for n in range(0, count, 1000):
                client.call("queue.put", queue="wait",
                            bodies=list(range(n, min(n + 1000, count))))
            for program in programs:
                if program.wait(3 * harness.PATIENCE) != 0:
                    faults.append("a waiter got no job")
            if not client.call("queue.join", queue="wait",
                               timeout=harness.PATIENCE)["joined"]:
                faults.append("not all jobs are done")
        finally:
            for program in programs:
                if program.poll() is None:
                    program.kill()
                    program.wait()
    return faults


def connect_and_drop(path):
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(path)
