"""A daemon and its clients as real processes, some of which are always about
to be killed. What they do is recorded (record.py); what may have happened is
checked from the records alone (history.py).
"""
import os
import random
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))
import harness  # noqa: E402
import record  # noqa: E402


class Member:
    """One client of the swarm: a role, played by one process after another."""

    def __init__(self, swarm, name, role, **options):
        self.swarm = swarm
        self.name = name
        self.role = role
        self.options = options
        self.life = 0
        self.process = None
        self.record = None

    def start(self):
        self.life += 1
        self.record = self.swarm.path(f"{self.name}.{self.life}.rec")
        self.process = subprocess.Popen(
            [*self.program(), self.swarm.daemon.socket_path, self.record,
             f"{self.swarm.seed}/{self.name}/{self.life}", self.role,
             *(f"{name}={value}" for name, value in self.options.items())],
            stdin=subprocess.DEVNULL)

    def program(self):
        if self.role.startswith("lib_"):
            return [os.path.join(harness.BIN, "crash_client")]
        return [sys.executable, "-S", "-E", "-B",
                os.path.join(HERE, "roles.py")]

    def strike(self):
        """Kills it, in the middle of whatever it does."""
        self.swarm.record.write("strike", os.path.basename(self.record))
        self.process.kill()
        self.process.wait()

    def has_begun(self):
        """Will it take a TERM as it should? Or it has ended already."""
        return (self.process.poll() is not None
                or os.path.exists(self.record)
                and os.path.getsize(self.record) > 0)


class Swarm:
    def __init__(self, directory, seed, members, **daemon_options):
        self.directory = directory
        self.seed = seed
        self.rng = random.Random(seed)
        self.record = record.Writer(self.path("swarm.rec"))
        self.record.begin("swarm")
        self.daemon = harness.Daemon(directory, **daemon_options)
        self.members = [Member(self, *words, **options)
                        for words, options in members]
        self.faults = []  # what went wrong beside the history

    def path(self, name):
        return os.path.join(self.directory, name)

    # The daemon's lives.

    def launch(self):
        self.daemon.launch()
        self.record.write("launch", self.daemon.pid)

    def wait_ready(self):
        self.daemon.wait_notified("READY=1")
        self.record.write("ready", self.daemon.pid)

    def kill(self):
        self.record.write("kill", self.daemon.pid)
        self.look_at_end(self.daemon.kill(), (0, -signal.SIGKILL))

    def stop(self):
        self.record.write("end", self.daemon.pid)
        self.look_at_end(self.daemon.stop(), (0,))

    def look_at_end(self, status, right):
        log = "\n".join(self.daemon.log)
        if status not in right or harness.SANITIZER.search(log):
            self.faults.append(f"the daemon ended with {status}:\n{log}")

    # The clients' lives.

    def start_members(self):
        for member in self.members:
            member.start()

    def strike_one(self):
        member = self.rng.choice(self.members)
        member.strike()
        member.start()

    def recorded(self):
        """How much the clients have recorded so far, bytes."""
        return sum(os.stat(member.record).st_size for member in self.members
                   if os.path.exists(member.record))

    def let_work(self, mean_lines):
        """Until the clients have got on by a random amount: so there is
        something to lose on a slow machine too. Whoever cannot get on, since
        what it waits for was killed, is not waited for long."""
        lines = self.rng.expovariate(1 / mean_lines)
        until = self.recorded() + lines * 110
        limit = time.monotonic() + 1
        while self.recorded() < until and time.monotonic() < limit:
            time.sleep(0.0005)

    def finish_members(self, roles):
        """Ends those of these roles; each must be able to."""
        chosen = [m for m in self.members if m.role in roles]
        case = harness.TestCase()
        for member in chosen:
            case.wait_until(member.has_begun, f"{member.name} begins")
            member.process.send_signal(signal.SIGTERM)
        for member in chosen:
            status = member.process.wait(harness.PATIENCE)
            if status != 0:
                self.faults.append(f"{member.name} ended with {status}")

    def kill_members(self):
        """At the very end, or when all is over anyway."""
        for member in self.members:
            if member.process is not None and member.process.poll() is None:
                member.strike()

    def close(self):
        self.kill_members()
        if self.daemon.process is not None:
            self.daemon.kill()


def nap_us(rng, mean_us):
    """A random time, mostly short, to the microsecond."""
    time.sleep(min(rng.expovariate(1 / mean_us), 10 * mean_us) / 1e6)
