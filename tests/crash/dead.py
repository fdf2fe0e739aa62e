"""Nothing is held by the dead: kill -9 of clients at random, while the daemon
lives.

Clients hold locks (also re-entrant ones, over conditions) and permits, wait for
them, for events and at barriers, and work on jobs with limits; half of them in
sessions with a grace, which ends with the client all the same. One is killed, a
new one takes its place, and so on; then all are killed at once: everything is
free, nobody waits, every job that was put is finished once.
"""
import os
import random
import signal
import shutil
import tempfile
import time
import traceback

import harness

CROWD = 16
LOCKS = 3
PERMITS = 3
JOBS = 20  # kept in the queue by as many puts
# Rounds between two looks at everything: all clients are killed for it.
LOOK_ROUNDS = 40
# Most requests of the crowd between two kills, and looks at their number.
WORK = 60
LOOKS = 200


def hold_locks(client, rng):
    """Some of them in another order than others, with a timeout; levels."""
    owner = f"o{os.getpid()}"
    lock = f"l{rng.randrange(LOCKS)}"
    got = client.call("lock.acquire", lock=lock, owner=owner, reentrant=True,
                      deadlock="refuse", timeout=rng.choice([1, 5, 30]))
    if not got["acquired"]:
        return
    if rng.random() < 0.3:
        client.call("lock.acquire", lock=lock, owner=owner + "/inner",
                    reentrant=True)
    if rng.random() < 0.3:
        client.call("condition.notify", condition="c", n=1)
        got = client.call("condition.wait", condition="c", lock=lock,
                          token=got["token"],
                          timeout=rng.choice([0, 0.001, 1]))
    other = f"l{rng.randrange(LOCKS)}"
    try:
        if client.call("lock.acquire", lock=other, owner=owner,
                       reentrant=True, deadlock="refuse",
                       timeout=1)["acquired"]:
            client.call("lock.release", lock=other, owner=owner)
    except harness.RpcError as error:
        if error.name != "deadlock":
            raise
    while client.call("lock.release", lock=lock, owner=owner)["count"] > 0:
        pass


def hold_permits(client, rng):
    permits = rng.randint(1, PERMITS)
    got = client.call("semaphore.acquire", semaphore="s", permits=permits,
                      timeout=30)
    if got["acquired"]:
        client.call("semaphore.release", semaphore="s", permits=permits,
                    token=got["token"])


def wait(client, rng):
    client.call("event.wait", event="never", timeout=rng.choice([0.001, 30]))


def meet(client, rng):
    try:
        client.call("barrier.wait", barrier="b", parties=3,
                    timeout=rng.choice([0.01, 30]))
    except harness.RpcError as error:
        if error.name != "broken":
            raise
        client.call("barrier.reset", barrier="b")


def work(client, rng):
    jobs = client.call("queue.get", queue="q", max=rng.randint(1, 3),
                       timeout=0.01)["jobs"]
    if jobs and rng.random() < 0.5:
        client.call("event.wait", event="never", timeout=0.02)
    for job in jobs:
        client.call("queue.done", id=job["id"], token=job["token"])


ROLES = (hold_locks, hold_permits, wait, meet, work)


def live(path, role, seed):
    """A client's life, in a process of its own: until it is killed."""
    rng = random.Random(seed)
    try:
        client = harness.Client(path)
        if rng.random() < 0.5:
            client.call("session.open", client=role.__name__, grace=30)
        while True:
            role(client, rng)
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(1)  # the crowd sees it by the status


class Crowd:
    def __init__(self, daemon, rng):
        self.daemon = daemon
        self.rng = rng
        self.members = {}  # pid: role
        self.killed = 0

    def add(self):
        role = self.rng.choice(ROLES)
        seed = self.rng.random()
        pid = os.fork()
        if pid == 0:
            live(self.daemon.socket_path, role, seed)
        self.members[pid] = role.__name__

    def fill(self):
        while len(self.members) < CROWD:
            self.add()

    def kill(self, pid):
        """A fault's text, if it did not live until then."""
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        role = self.members.pop(pid)
        self.killed += 1
        if not os.WIFSIGNALED(status):
            return [f"a client ({role}) got an error nobody expected"]
        return []

    def kill_one(self):
        return self.kill(self.rng.choice(sorted(self.members)))

    def kill_all(self):
        return [fault for pid in list(self.members)
                for fault in self.kill(pid)]


def let_work(client, rng):
    """Until they have asked for some more, but not for ever: all of them may be
    waiting."""
    def asked():
        requests = client.call("server.stats")["counters"]["requests"]
        return sum(count for method, count in requests.items()
                   if method != "server.stats")
    until = asked() + rng.randrange(WORK)
    for _ in range(LOOKS):
        if asked() >= until:
            return


def await_quiet(client):
    """Until the daemon has seen every one of them go."""
    limit = time.monotonic() + harness.PATIENCE
    while time.monotonic() < limit:
        gauges = client.call("server.stats")["gauges"]
        if gauges["sessions"] == 1:
            return gauges
    raise AssertionError("clients are dead, and their sessions are not over")


def look(client):
    """What is not as it must be when nobody is left."""
    gauges = await_quiet(client)
    queue = client.call("queue.show", queue="q")
    have = {
        "requests wait": gauges["waiting_requests"],
        "locks held or waited for": client.call("lock.list")["locks"],
        "permits not free": PERMITS - client.call("semaphore.show",
                                                  semaphore="s")["free"],
        "permits held": client.call("semaphore.show", semaphore="s")["holders"],
        "permits of jobs": client.call("semaphore.show", semaphore="s")["jobs"],
        "events waited for": client.call("event.list")["events"],
        "parties at the barrier": client.call("barrier.show",
                                              barrier="b")["waiters"],
        "jobs running": queue["counts"]["running"],
        "jobs that were lost": JOBS - queue["unfinished"],
    }
    return [f"{what}: {value}" for what, value in have.items() if value]


def top_up(client):
    """As many jobs as were finished; a third of them want a permit."""
    missing = JOBS - client.call("queue.show", queue="q")["unfinished"]
    for number in range(missing):
        limits = {"limits": ["s"]} if number % 3 == 0 else {}
        client.call("queue.put", queue="q", body=number, **limits)


def watch(client, crowd, rounds):
    faults = []
    for number in range(1, rounds + 1):
        crowd.fill()
        let_work(client, crowd.rng)
        shown = client.call("semaphore.show", semaphore="s")
        held = sum(holder["count"] for holder in shown["holders"])
        if held + shown["jobs"] + shown["free"] != PERMITS:
            faults.append(f"permits do not add up: {shown}")
        faults += crowd.kill_one()
        top_up(client)
        if number % LOOK_ROUNDS == 0 or number == rounds:
            faults += crowd.kill_all()
            await_quiet(client)
            top_up(client)
            faults += look(client)
    return faults


def drain(client):
    """Every job that was put is finished once: counted by the daemon."""
    finished = 0
    while client.call("queue.show", queue="q")["unfinished"] > 0:
        for job in client.call("queue.get", queue="q", max=JOBS)["jobs"]:
            client.call("queue.done", id=job["id"], token=job["token"])
            finished += 1
    counters = client.call("server.stats")["counters"]
    if counters["jobs_put"] != counters["jobs_done"]:
        return [f"{counters['jobs_put']} jobs put, {counters['jobs_done']} done"]
    return [] if finished == JOBS else [f"{finished} jobs left of {JOBS}"]


def figures(client, crowd):
    counters = client.call("server.stats")["counters"]
    requests = counters["requests"]
    return (f"{crowd.killed} clients killed; "
            f"{requests['lock.acquire']} times a lock was asked for, "
            f"{requests['semaphore.acquire']} times permits, "
            f"{requests['condition.wait']} waits at conditions, "
            f"{requests['barrier.wait']} at the barrier, "
            f"{counters['jobs_done']} jobs done, "
            f"{counters['jobs_crashed']} taken from the dead")


def run(options):
    """The faults found; prints what was done."""
    rounds = 40 if options.short else options.rounds
    directory = tempfile.mkdtemp(prefix="syncd-dead-")
    daemon = harness.Daemon(directory).start()
    crowd = Crowd(daemon, random.Random(options.seed))
    faults = []
    try:
        with daemon.client() as client:
            client.call("semaphore.declare", semaphore="s", value=PERMITS)
            client.call("queue.declare", queue="q", max_attempts=0)
            faults = watch(client, crowd, rounds) + drain(client)
            print(f"  {figures(client, crowd)}", flush=True)
    finally:
        crowd.kill_all()
        status = daemon.stop()
        log = "\n".join(daemon.log)
        shutil.rmtree(directory, ignore_errors=True)
    if status != 0 or harness.SANITIZER.search(log):
        faults.append(f"the daemon ended with {status}: {log}")
    return faults
