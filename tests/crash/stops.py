"""SIGSTOP: clients that stand still longer than their leases last, and a daemon
that stands still."""
import shutil
import signal
import tempfile
import time

import checks
import harness
import history
import kills
import swarm

LEASE = 0.3  # seconds
ROLES = ("produce", "work", "lock", "semaphore", "batch", "look")


def one_round(crowd):
    """A few processes stand still for some time, together or not."""
    rng = crowd.rng
    victims = [member.process for member in
               rng.sample(crowd.members, rng.randint(1, 4))]
    if rng.random() < 0.3:
        victims.append(crowd.daemon.process)
    rng.shuffle(victims)
    for process in victims:
        process.send_signal(signal.SIGSTOP)
        swarm.nap_us(rng, 2000)
    time.sleep(rng.uniform(0, 2 * LEASE))
    rng.shuffle(victims)
    for process in victims:
        process.send_signal(signal.SIGCONT)
        swarm.nap_us(rng, 2000)
    crowd.let_work(200)


def run(options):
    directory = tempfile.mkdtemp(prefix="syncd-crash-")
    members = [(words, more) for words, more in kills.MEMBERS
               if words[1] in ROLES]
    crowd = swarm.Swarm(directory, options.seed, members)
    at_end = None
    try:
        crowd.launch()
        crowd.wait_ready()
        with crowd.daemon.client() as client:
            kills.declare(client, LEASE)
        crowd.start_members()
        for _ in range(options.rounds_of(10)):
            one_round(crowd)
        at_end = kills.drain(crowd, running=True)
    except (AssertionError, OSError, harness.Closed) as error:
        crowd.faults.append(f"the swarm: {error!r}")
    finally:
        crowd.close()
    past = history.History(directory)
    faults = crowd.faults + checks.all_of(
        past, kills.QUEUES, kills.PERMITS, kills.GRACE, at_end,
        leases_expire=True)
    print("  " + ", ".join(f"{count} {what}" for what, count in
                           past.figures().items()))
    if not faults:
        shutil.rmtree(directory)
    else:
        print(f"  the records are in {directory}")
    return faults
