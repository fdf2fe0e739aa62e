"""The servers that are measured, each in a temporary directory of its own.

A server is started fresh for each measurement, on a Unix socket, with the
settings that its class states, and ends with it. `None` stands for one that is
not installed.
"""
import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time


def wait_until(what, condition, seconds=120):
    """Until condition() is true; ends the program when it takes too long."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit("bench: %s: not within %d s" % (what, seconds))
        time.sleep(0.002)


class Server:
    """What all of them have: a folder, a process, a socket."""

    protocol = name = settings = None
    durable = False

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="syncd-bench-")
        self.socket = os.path.join(self.folder, "s")
        self.process = None
        atexit.register(self.close)
        self.start()

    def command(self):
        raise NotImplementedError

    def ready(self):
        """Does it answer?"""
        raise NotImplementedError

    def prepare(self):
        """What the load needs to be there."""

    def take_one(self):
        """Takes one job; true if there was one."""
        raise NotImplementedError

    def start(self):
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        self.process = subprocess.Popen(
            self.command(), cwd=self.folder, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        wait_until(self.name, self.ready)
        self.prepare()

    def ask(self, text, replies=1):
        """Sends it, and gives that many lines of the answer; None: there is
        nobody."""
        with socket.socket(socket.AF_UNIX) as peer:
            try:
                peer.connect(self.socket)
                peer.sendall(text.encode())
                lines = peer.makefile("rb")
                return [lines.readline().decode() for _ in range(replies)]
            except OSError:
                return None

    def memory(self):
        """Resident, bytes."""
        with open("/proc/%d/status" % self.process.pid) as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        return 0

    def restart(self):
        """Kills it and starts it anew: seconds to the first job."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        began = time.monotonic()
        self.start()
        if not self.take_one():
            sys.exit("bench: %s: nothing came back" % self.name)
        return time.monotonic() - began

    def check_empty(self):
        """Nothing is left behind."""

    def close(self):
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
        shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.close)


class Syncd(Server):
    protocol = "syncd"
    binaries = None  # set once, from --bin

    def command(self):
        return [os.path.join(self.binaries, "syncd"), "--socket", self.socket,
                "--data", os.path.join(self.folder, "data"),
                "--store", "sqlite" if self.durable else "memory"]

    def call(self, method, **params):
        line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method,
                           "params": params}) + "\n"
        answer = self.ask(line)
        if not answer or not answer[0]:
            return None
        reply = json.loads(answer[0])
        if "error" in reply:
            sys.exit("bench: %s: %s" % (method, reply["error"]["message"]))
        return reply["result"]

    def ready(self):
        return self.call("server.info") is not None

    def prepare(self):
        self.call("queue.declare", queue="bench0", capacity=0)

    def take_one(self):
        return len(self.call("queue.get", queue="bench0", timeout=0)["jobs"])

    def check_empty(self):
        left = self.call("queue.show", queue="bench0")["unfinished"]
        if left:
            sys.exit("bench: %d jobs are left" % left)


class SyncdDisk(Syncd):
    name = "syncd"
    settings = "on disk: each acknowledgement behind an fsync"
    durable = True


class SyncdMemory(Syncd):
    name = "syncd, in memory"
    settings = "--store memory"


class Redis(Server):
    protocol = "lists"
    program = "redis-server"
    more = ("--appendonly", "no")

    def command(self):
        return ["redis-server", "--port", "0", "--unixsocket", self.socket,
                "--dir", self.folder, "--save", "", "--maxclients", "20000",
                "--daemonize", "no", *self.more]

    def ready(self):
        answer = self.ask("PING\r\n")
        return bool(answer) and answer[0].startswith("+PONG")

    def take_one(self):
        answer = self.ask("LPOP bench0\r\n")
        return bool(answer) and answer[0].startswith("$") and \
            not answer[0].startswith("$-1")


class RedisLists(Redis):
    name = "Redis lists, in memory"
    settings = "--save '' --appendonly no"


class RedisSteps(RedisLists):
    name = "Redis lists, no script"
    protocol = "steps"


class RedisStreams(Redis):
    name = "Redis streams, in memory"
    settings = "--save '' --appendonly no"
    protocol = "streams"

    def prepare(self):
        self.ask("XGROUP CREATE bench0 g 0 MKSTREAM\r\n")

    def take_one(self):
        answer = self.ask("XREADGROUP GROUP g c COUNT 1 STREAMS bench0 >\r\n")
        return bool(answer) and answer[0].startswith("*1")


class RedisAlways(Redis):
    name = "Redis lists, appendfsync always"
    settings = "--save '' --appendonly yes --appendfsync always"
    more = ("--appendonly", "yes", "--appendfsync", "always")
    durable = True


class Beanstalkd(Server):
    protocol = program = "beanstalkd"
    name = "beanstalkd, in memory"
    settings = "no options"

    def command(self):
        return ["beanstalkd", "-l", "unix:" + self.socket]

    def ready(self):
        answer = self.ask("stats-tube default\r\n")
        return bool(answer) and answer[0].startswith("OK")

    def take_one(self):
        answer = self.ask("watch bench\r\nreserve-with-timeout 0\r\n", 2)
        return bool(answer) and answer[1].startswith("RESERVED")


class BeanstalkdDisk(Beanstalkd):
    name = "beanstalkd -f0"
    settings = "-b DIR -f0: an fsync a write of its log"
    durable = True

    def command(self):
        return super().command() + ["-b", self.folder, "-f0"]


def installed(server):
    program = getattr(server, "program", None)
    return program is None or shutil.which(program) is not None
