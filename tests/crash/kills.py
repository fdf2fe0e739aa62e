"""kill -9 of the daemon at any microsecond, and of its clients, under load."""
import shutil
import tempfile

import checks
import harness
import history
import swarm

# Seconds; whoever is killed while no daemon is there leaves what it had for so
# long.
GRACE = 5

# name, role, options. Queues: `main` is fifo; `narrow` runs two at a time;
# `flaky` fails and delays; `taken` hands out at most once; `keyed` has keys.
MEMBERS = [
    (("p1", "produce"), {}),
    (("p2", "produce"), {"grace": GRACE}),
    (("p3", "produce"), {"queue": "flaky", "delay": 0.01}),
    (("p4", "produce"), {"queue": "taken", "hold": 0.005}),
    (("p5", "produce"), {"queue": "keyed", "keys": 5, "hold": 0.01}),
    (("p6", "produce"), {"queue": "narrow", "grace": GRACE, "hold": 0.01}),
    (("w1", "work"), {}),
    (("w2", "work"), {"grace": GRACE}),
    (("w3", "work"), {"queue": "flaky", "fails": 0.3, "drops": 0.05}),
    (("w4", "work"), {"queue": "taken", "take": 1}),
    (("w5", "work"), {"queue": "keyed", "drops": 0.05}),
    (("w6", "work"), {"queue": "narrow", "hold": 0.005}),
    (("w7", "work"), {"queue": "narrow", "hold": 0.005, "grace": GRACE}),
    (("w8", "work"), {"queue": "staged"}),
    (("w9", "work"), {"queue": "staged", "grace": GRACE}),
    (("l1", "lock"), {}),
    (("l2", "lock"), {"grace": GRACE}),
    (("l3", "lock"), {"grace": GRACE}),
    (("s1", "semaphore"), {}),
    (("s2", "semaphore"), {"grace": GRACE}),
    (("s3", "semaphore"), {"grace": GRACE}),
    (("c1", "count"), {}),
    (("c2", "count"), {"grace": GRACE}),
    (("b1", "barrier"), {}),
    (("b2", "barrier"), {}),
    (("j1", "batch"), {}),
    (("j2", "batch"), {"grace": GRACE}),
    (("o1", "look"), {"queues": "main,taken,narrow,keyed"}),
    (("p7", "lib_produce"), {}),
    (("w10", "lib_work"), {}),
    (("l4", "lib_lock"), {}),
]
QUEUES = {
    "main": {"capacity": 20},
    "narrow": {"capacity": 10, "concurrency": 2},
    "flaky": {"capacity": 30, "backoff": {"base": 0.002, "max": 0.02}},
    "taken": {"capacity": 5},
    "keyed": {"capacity": 20},
    "staged": {"capacity": 0},
    "lib": {"capacity": 10},
}
PERMITS = 3
LASTING = ("work", "lib_work")  # the roles that are still needed while it drains


def declare(client, lease=3600):
    for queue, terms in QUEUES.items():
        client.call("queue.declare", queue=queue, lease=lease, max_attempts=0,
                    **terms)
    client.call("semaphore.declare", semaphore="s", value=PERMITS)
    client.call("semaphore.declare", semaphore="c", value=0, bounded=False)


def one_round(crowd, mean_lines):
    """A life of the daemon, ended at any moment: mostly under load, now and
    then before it is even ready, or in good order."""
    rng = crowd.rng
    crowd.launch()
    if rng.random() < 0.15:
        swarm.nap_us(rng, 10000)
        crowd.kill()
        return
    crowd.wait_ready()
    crowd.let_work(mean_lines)
    if rng.random() < 0.3:
        crowd.strike_one()
        crowd.let_work(mean_lines / 4)
    swarm.nap_us(rng, 300)
    if rng.random() < 0.1:
        crowd.stop()
    else:
        crowd.kill()


def drain(crowd, running=False):
    """The faults are over: everything must come to its end."""
    if not running:
        crowd.launch()
        crowd.wait_ready()
    crowd.finish_members({m.role for m in crowd.members} - set(LASTING))
    with crowd.daemon.client() as client:
        for batch in client.call("batch.list", limit=1000)["batches"]:
            if not batch["sealed"]:
                client.call("batch.seal", batch=batch["batch"])
        for queue in QUEUES:
            joined = client.call("queue.join", queue=queue,
                                 timeout=harness.PATIENCE)
            if joined != {"joined": True, "dead": 0}:
                show = client.call("queue.show", queue=queue)
                crowd.faults.append(f"{queue} does not drain: {show}")
        crowd.kill_members()
        # Whoever was killed while no daemon was there holds on for its grace.
        harness.TestCase().wait_until(
            lambda: client.call("semaphore.show", semaphore="s")["free"]
            == PERMITS, "all permits free")
        at_end = {
            "permits": client.call("semaphore.show", semaphore="s"),
            "counter": client.call("semaphore.show", semaphore="c"),
            "queues": client.call("queue.list")["queues"],
        }
    crowd.stop()
    return at_end


def epoch(rounds, seed, mean_lines, keep=None):
    """So many rounds on one data directory, then what they come to: the faults
    found, and figures of what was done."""
    directory = tempfile.mkdtemp(prefix="syncd-crash-")
    crowd = swarm.Swarm(directory, seed, MEMBERS)
    at_end = None
    try:
        crowd.launch()
        crowd.wait_ready()
        with crowd.daemon.client() as client:
            declare(client)
        crowd.start_members()
        for number in range(rounds):
            one_round(crowd, mean_lines) if number else crowd.kill()
        at_end = drain(crowd)
    except (AssertionError, OSError, harness.Closed) as error:
        crowd.faults.append(f"the swarm: {error!r}")
    finally:
        crowd.close()
    past = history.History(directory)
    faults = crowd.faults + checks.all_of(past, QUEUES, PERMITS, GRACE, at_end)
    if not faults:
        shutil.rmtree(directory)
    return faults, past.figures(), directory
