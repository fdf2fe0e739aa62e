"""A client of the raw protocol that records what it asks and is answered.

With a `grace` it does what a client library does: after a lost connection it
takes its session up again and sends what had no answer once more, under the
same id. Without one it connects anew, and what had no answer stays unknown.
"""
import json
import os
import socket
import struct
import time
import zlib


class Lost(Exception):
    """The connection, or the session, is gone; requests stay unanswered."""


class Refused(Exception):
    """An error reply."""

    def __init__(self, name):
        super().__init__(name)
        self.name = name


def body_of(tag):
    """The JSON text that is put for a tag: of several forms and lengths, each
    such that a reader who is not careful would change it."""
    dice = zlib.crc32(tag.encode())
    length = 300000 if dice % 1000 == 0 else 3000 if dice % 40 == 0 else 20
    pad = (tag + "/") * (length // len(tag) + 1)
    if dice % 3 == 0:
        return f'"{tag}|{pad}\\u0000"'
    if dice % 3 == 1:
        return (f'{{"z":12345678901234567890,"tag":"{tag}","a":0.10,'
                f'"pad":"{pad}"}}')
    return f'[ "{tag}" , 1e5,-0, "{pad}"]'


def tag_of(body):
    if isinstance(body, str):
        return body.split("|", 1)[0]
    return body["tag"] if isinstance(body, dict) else body[0]


class Peer:
    def __init__(self, path, record, rng, grace=None):
        self.path = path
        self.record = record
        self.rng = rng
        self.grace = grace
        self.session = None  # {session, secret}
        self.socket = None
        self.last = 0
        self.pending = {}  # id: (method, line)
        self.answers = {}  # id: result, or a Refused
        self.connect()

    # The connection.

    def connect(self):
        """Tries until a daemon is there. True if what was held still is."""
        while True:
            try:
                return self._reach()
            except (OSError, Lost, Refused):
                self._hang_up()
                time.sleep(self.rng.uniform(0.001, 0.02))

    def _reach(self):
        self.buffer = bytearray()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(self.path)
        pid, _, _ = struct.unpack("3i", self.socket.getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if self.grace is None:
            self.record.write("up", pid, 0, False)
            return False
        params = {"client": "swarm", "grace": self.grace}
        if self.session is not None:
            params["resume"] = self.session
        self.socket.sendall(self._line("open", "session.open",
                                       json.dumps(params)))
        answer = json.loads(self._read_line())
        if "error" in answer:
            raise Refused(answer["error"]["data"]["name"])
        result = answer["result"]
        self.session = {"session": result["session"],
                        "secret": result["secret"]}
        self.record.write("up", pid, result["session"], result["resumed"])
        return result["resumed"]

    def _hang_up(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def close(self):
        """Ends the session, and begins another one."""
        self.record.write("close")
        self._hang_up()
        self._forget()
        self.session = None
        self.connect()

    def _forget(self):
        self.record.write("lost")
        self.pending.clear()
        self.answers.clear()

    def _recover(self):
        """After a loss: goes on with the session, or tells that it cannot."""
        self.record.write("down")
        self._hang_up()
        while True:
            if not self.connect():
                self._forget()
                raise Lost()
            try:
                for id, (_, line) in self.pending.items():
                    self.record.write("again", id)
                    self.socket.sendall(line)
                return
            except OSError:
                self.record.write("down")
                self._hang_up()

    # Requests.

    @staticmethod
    def _line(id, method, params):
        return (f'{{"jsonrpc":"2.0","id":{json.dumps(id)},"method":"{method}",'
                f'"params":{params}}}\n').encode()

    def send(self, method, brief, text=None):
        """Sends a request: `brief` are its parameters as recorded, `text` as
        sent, if that is something else. Returns its id."""
        self.last += 1
        id = self.last
        line = self._line(id, method, text or json.dumps(brief))
        self.pending[id] = (method, line)
        self.record.write("call", id, method, brief)
        try:
            self.socket.sendall(line)
        except OSError:
            self._recover()
        return id

    def wait(self, id):
        """The answer to a request; Refused, Lost."""
        while id not in self.answers:
            try:
                self._take(self._read_line())
            except (OSError, Lost):
                self._recover()
        answer = self.answers.pop(id)
        if isinstance(answer, Refused):
            raise answer
        return answer

    def call(self, method, brief, text=None):
        return self.wait(self.send(method, brief, text))

    def _read_line(self):
        while b"\n" not in self.buffer:
            more = self.socket.recv(1 << 18)
            if not more:
                raise Lost()
            self.buffer += more
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line

    def _take(self, line):
        message = json.loads(line)
        id = message.get("id")
        if id not in self.pending:
            raise SystemExit(f"an answer to nothing: {line[:200]}")
        name = message.get("error", {}).get("data", {}).get("name")
        if name == "unavailable" and self.grace is not None:
            return  # the daemon ends: this is for the next one
        method, _ = self.pending.pop(id)
        if name is not None:
            self.answers[id] = Refused(name)
            self.record.write("error", id, name)
        else:
            result = message["result"]
            self.answers[id] = result
            self.record.write("back", id, self._brief(method, result, line))

    def _brief(self, method, result, line):
        """What is recorded of an answer; the bodies are looked at here."""
        if method != "queue.get":
            return result
        jobs = []
        for job in result["jobs"]:
            job["tag"] = tag_of(job["body"])
            if f'"body":{body_of(job["tag"])}'.encode() not in line:
                self.record.write("corrupt", job["tag"])
            jobs.append([job["id"], job["token"], job["tag"], job["attempt"],
                         job["until"]] if "until" in job else
                        [job["id"], job["token"], job["tag"], job["attempt"],
                         0])
        return {"jobs": jobs, "finished": result.get("finished")}

    # What needs more than parameters.

    def send_put(self, queue, tags, **more):
        brief = {"queue": queue, "tags": tags, **more}
        head = json.dumps({"queue": queue, **more})[:-1]
        if len(tags) == 1:
            text = f'{head},"body":{body_of(tags[0])}}}'
        else:
            bodies = ",".join(body_of(tag) for tag in tags)
            text = f'{head},"bodies":[{bodies}]}}'
        return self.send("queue.put", brief, text)

    def put(self, queue, tags, **more):
        return self.wait(self.send_put(queue, tags, **more))


def tag_maker(record_path):
    """Tags that no other process makes."""
    name = os.path.basename(record_path).rsplit(".", 1)[0]
    number = 0
    while True:
        number += 1
        yield f"{name}-{number}"
