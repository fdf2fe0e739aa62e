"""A file system of 16 MiB that fills up and empties."""
import os
import random
import shutil
import subprocess
import tempfile

import harness
import swarm

BODY = "x" * 65536


class SmallDisk:
    """A daemon whose data lies on a small file system of its own."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="syncd-crash-")
        self.data = os.path.join(self.directory, "data")
        os.mkdir(self.data, 0o700)
        self.mounted = False
        self.daemon = harness.Daemon(self.directory)

    def mount(self):
        """Why not, or None."""
        run = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=16m,mode=0700", "tmpfs",
             self.data], capture_output=True, text=True)
        self.mounted = run.returncode == 0
        return None if self.mounted else run.stderr.strip()

    def close(self):
        if self.daemon.process is not None:
            self.daemon.kill()
        if self.mounted:
            subprocess.run(["umount", self.data], check=True)
        shutil.rmtree(self.directory)


def fill(client, kept, faults):
    """Puts until there is no room for more."""
    for number in range(1000):
        try:
            kept.add(client.call("queue.put", queue="q", body=BODY)["id"])
        except harness.RpcError as error:
            if error.name != "unavailable":
                faults.append(f"a put on a full disk: {error}")
            return number
    faults.append("1000 jobs of 64 KiB went into 16 MiB")
    return 1000


def empty(client, kept, rng, faults, least):
    """Takes jobs and finishes them, on a disk that is still full: all but a
    few."""
    while len(kept) > least:
        jobs = client.call("queue.get", queue="q", max=rng.randint(1, 8),
                           timeout=10)["jobs"]
        if not jobs:
            faults.append(f"{len(kept)} jobs are kept, and none is there")
            return
        for job in jobs:
            if job["body"] != BODY or job["id"] not in kept:
                faults.append(f"job {job['id']} is not as it was put")
        done = client.call("queue.done", ids=[job["id"] for job in jobs],
                           token=jobs[0]["token"])
        if done["stale"]:
            faults.append(f"not finished: {done}")
        kept -= {job["id"] for job in jobs}


def is_open_again(client, kept):
    """Puts are taken again; the room comes back a little at a time."""
    try:
        kept.add(client.call("queue.put", queue="q", body=BODY)["id"])
        return True
    except harness.RpcError:
        return False


def compare(client, kept, faults, when):
    listed, after = set(), 0
    while after is not None:
        page = client.call("job.list", queue="q", after=after, limit=100) \
            if after else client.call("job.list", queue="q", limit=100)
        listed |= {job["id"] for job in page["jobs"]}
        after = page.get("next")
    if listed != kept:
        faults.append(f"{when}: missing {sorted(kept - listed)}, "
                      f"too many {sorted(listed - kept)}")


def one_round(disk, rng, kept, faults):
    with disk.daemon.client() as client:
        count = fill(client, kept, faults)
        if rng.random() < 0.5:
            swarm.nap_us(rng, 2000)
            disk.daemon.kill()
            disk.daemon.start()
    with disk.daemon.client() as client:
        compare(client, kept, faults, "after it was full")
        empty(client, kept, rng, faults, least=rng.randint(0, 5))
        case = harness.TestCase()
        case.wait_until(lambda: is_open_again(client, kept), "puts again")
    return count


def run(options):
    rng = random.Random(options.seed)
    disk = SmallDisk()
    faults, kept, counts = [], set(), []
    try:
        why = disk.mount()
        if why:
            print(f"  skipped, no file system can be mounted: {why}")
            return []
        disk.daemon.start()
        with disk.daemon.client() as client:
            client.call("queue.declare", queue="q", capacity=0)
        for _ in range(options.rounds_of(3)):
            counts.append(one_round(disk, rng, kept, faults))
        with disk.daemon.client() as client:
            empty(client, kept, rng, faults, 0)
        status = disk.daemon.stop()
        if status != 0:
            faults.append(f"the daemon ended with {status}")
            faults += disk.daemon.log
    except (AssertionError, OSError, harness.RpcError,
            harness.Closed) as error:
        faults.append(f"{error!r}")
        faults += disk.daemon.log
    finally:
        disk.close()
    print(f"  full after so many jobs of 64 KiB: {counts}")
    return faults
