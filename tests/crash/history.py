"""What must hold of a history, whatever was killed when.

A history is all records of one data directory (record.py), read once it is
over. Nothing is assumed of what nobody saw: a request without an answer may or
may not have been carried out. So what is checked are intervals in which
something *definitely* was so, from the moment a reply was there to the moment
before which nothing can have ended it: if those contradict each other, the
daemon was wrong. The numbers are those of daemon/DESIGN.md.
"""
import collections
import glob
import os

import record

NEVER = float("inf")
LIBRARY = 0  # in place of the daemon's pid: libsyncd does not tell it
CLOCKS_APART = 0.05  # seconds: what the clocks of two processes may differ by
FINISHING = ("queue.done", "queue.get")
DURABLE = ("queue.put", "queue.done", "queue.fail")


class Call:
    """A request and what became of it. `back`: when its answer was there."""

    __slots__ = ("who", "n", "method", "params", "at", "pid", "tenure",
                 "again", "back", "back_pid", "result", "error")

    def __init__(self, who, n, method, params, at, pid, tenure):
        self.who = who
        self.n = n
        self.method = method
        self.params = params
        self.at = at
        self.pid = pid
        self.tenure = tenure
        self.again = False
        self.back = NEVER
        self.back_pid = None
        self.result = None
        self.error = None

    def __repr__(self):
        return (f"{self.who} #{self.n} {self.method} {self.params} -> "
                f"{self.error or self.result} at {self.at}..{self.back}")


class Tenure:
    """What one session holds it holds until `end`, at the latest seen."""

    def __init__(self, who, grace):
        self.who = who
        self.grace = grace
        self.end = NEVER
        self.pids = []


class Hold:
    """Something that one session definitely had from `begin` to `end`."""

    __slots__ = ("what", "token", "begin", "end", "call", "size")

    def __init__(self, what, token, begin, end, call, size=1):
        self.what = what
        self.token = token
        self.begin = begin
        self.end = end
        self.call = call
        self.size = size

    def __repr__(self):
        return (f"{self.what} token {self.token} {self.begin}..{self.end} by "
                f"{self.call.who} #{self.call.n}")


class Life:
    """One process of the daemon."""

    def __init__(self, pid, launch):
        self.pid = pid
        self.launch = launch
        self.end = NEVER
        self.strikes = []  # (when, record) of clients killed meanwhile


class Reader:
    """One record, line by line."""

    def __init__(self, history, name):
        self.history = history
        self.name = name
        self.pid = None
        self.tenure = None
        self.calls = {}
        self.last = 0
        self.last_back = 0

    def read(self, path):
        for at, word, *rest in record.read(path):
            self.last = at
            handler = getattr(self, "on_" + word, None)
            if handler:
                handler(at, *rest)
        end = min(self.history.strikes.get(self.name, NEVER), self.last + 1)
        self.leave(end)

    def leave(self, at):
        if self.tenure is not None:
            self.tenure.end = min(self.tenure.end, at)

    def on_begin(self, at, role, pid, offset):
        del at, role, pid
        self.history.offset[self.name] = offset

    def on_up(self, at, pid, session, resumed):
        if self.tenure is not None and not resumed:
            # Gone with the daemon it was last seen with.
            self.leave(self.history.end_of(self.pid, at))
            if self.tenure.grace:
                self.history.forgotten.append((self.name, at, pid))
        if not resumed:
            self.tenure = Tenure(self.name, session != 0)
        self.pid = pid
        self.tenure.pids.append(pid)

    def on_lost(self, at):
        """The library does not tell when it was: it was there when it had its
        last answer."""
        del at
        if self.pid == LIBRARY:
            self.leave(self.last_back)
            self.tenure = None

    def on_close(self, at):
        self.leave(at)
        self.tenure = None

    def on_down(self, at):
        if self.history.end_of(self.pid, NEVER) > at:
            self.history.cut_off.append((self.name, at))

    def on_call(self, at, n, method, params):
        call = Call(self.name, n, method, params, at, self.pid, self.tenure)
        self.calls[n] = call
        self.history.calls.append(call)

    def on_again(self, at, n):
        del at
        self.calls[n].again = True

    def on_back(self, at, n, result):
        call = self.calls[n]
        call.back, call.back_pid, call.result = at, self.pid, result
        self.last_back = at

    def on_error(self, at, n, name):
        call = self.calls[n]
        call.back, call.back_pid, call.error = at, self.pid, name

    def on_corrupt(self, at, tag):
        del at
        self.history.corrupt.append(tag)


class History:
    def __init__(self, directory):
        self.calls = []
        self.lives = {}
        self.strikes = {}
        self.offset = {}
        self.corrupt = []
        self.forgotten = []
        self.cut_off = []
        self._read_swarm(os.path.join(directory, "swarm.rec"))
        for path in sorted(glob.glob(os.path.join(directory, "*.rec"))):
            name = os.path.basename(path)
            if name != "swarm.rec":
                Reader(self, name).read(path)
        self.calls.sort(key=lambda call: call.at)
        self._index()

    def _read_swarm(self, path):
        for at, word, *rest in record.read(path):
            if word == "launch":
                self.lives[rest[0]] = Life(rest[0], at)
            elif word in ("kill", "end"):
                self.lives[rest[0]].end = at
            elif word == "strike":
                self.strikes[rest[0]] = at
                for life in self.lives.values():
                    if life.launch <= at <= life.end:
                        life.strikes.append((at, rest[0]))

    def end_of(self, pid, otherwise):
        life = self.lives.get(pid)
        return life.end if life is not None else otherwise

    # What the calls come to.

    def _index(self):
        self.puts = {}           # id: (call, tag)
        self.tag_ids = collections.defaultdict(set)
        self.tag_calls = {}      # tag: (call, its place in the call)
        self.grants = collections.defaultdict(list)  # id: [(token, call)]
        self.takes = collections.defaultdict(list)   # id: the same, by take
        self.finishes = collections.defaultdict(list)  # id: (token, call, ok)
        self.gives_back = {}     # (kind, name, token): call
        self.durable_at = {}     # pid: the last durable request answered
        for call in self.calls:
            method = call.method.replace(".", "_")
            handler = getattr(self, "_index_" + method, None)
            if handler:
                handler(call)
            if call.method in DURABLE and call.result is not None:
                pid = call.back_pid
                self.durable_at[pid] = max(self.durable_at.get(pid, 0),
                                           call.at)
        self.first_finish = {
            id: min(call.at for _, call, _ in tries)
            for id, tries in self.finishes.items()}

    def _index_queue_put(self, call):
        for place, tag in enumerate(call.params["tags"]):
            self.tag_calls[tag] = (call, place)
        if call.result is None or call.result.get("duplicate"):
            return
        ids = call.result.get("ids") or [call.result["id"]]
        for id, tag in zip(ids, call.params["tags"]):
            self.tag_ids[tag].add(id)
            self.puts.setdefault(id, []).append((call, tag))

    def _index_queue_get(self, call):
        done = call.params.get("done")
        if done:
            answer = call.result and call.result["finished"]
            self._index_finish(call, done, answer)
        for id, token, tag, *_ in (call.result or {"jobs": []})["jobs"]:
            self.tag_ids[tag].add(id)
            into = self.takes if call.params.get("take") else self.grants
            into[id].append((token, call))

    def _index_queue_done(self, call):
        answer = call.result
        if answer == {}:
            answer = {"done": 1, "stale": []}
        self._index_finish(call, call.params, answer)

    def _index_finish(self, call, what, answer):
        pairs = [(job["id"], job["token"]) for job in what.get("jobs", ())]
        pairs += [(id, what["token"]) for id in what.get("ids", ())]
        if "id" in what:
            pairs.append((what["id"], what["token"]))
        for id, token in pairs:
            if answer is None:
                ok = None if call.error is None else False
            else:
                ok = id not in answer["stale"]
            self.finishes[id].append((token, call, ok))
            self.gives_back.setdefault(("job", id, token), call)

    def _index_queue_fail(self, call):
        key = ("job", call.params["id"], call.params["token"])
        self.gives_back.setdefault(key, call)

    def _index_lock_release(self, call):
        key = ("lock", call.params["lock"], call.params["token"])
        self.gives_back.setdefault(key, call)

    def _index_semaphore_release(self, call):
        if "token" in call.params:
            key = ("permit", call.params["semaphore"], call.params["token"])
            self.gives_back.setdefault(key, call)

    # Holds.

    def hold(self, kind, name, token, call, until=NEVER, size=1):
        """What a grant gave, for as long as it certainly lasted."""
        end = min(call.tenure.end, until)
        back = self.gives_back.get((kind, name, token))
        if back is not None:
            end = min(end, back.at)
        life_end = self.end_of(call.back_pid, NEVER)
        lasting = call.tenure.grace and (
            kind != "job"
            or self.durable_at.get(call.back_pid, 0) > call.back)
        if not lasting:
            end = min(end, life_end)
        return Hold((kind, name), token, call.back, end, call, size)

    def job_holds(self):
        for call in self.calls:
            if call.method == "queue.get" and call.result and \
                    not call.params.get("take"):
                offset = self.offset[call.who]
                for id, token, _, _, until in call.result["jobs"]:
                    yield self.hold("job", id, token, call,
                                    (until - offset - CLOCKS_APART) * 1e9)

    def other_holds(self, method, kind):
        for call in self.calls:
            if call.method == method and call.result and \
                    call.result["acquired"] and "token" in call.result:
                name = call.params[kind if kind == "lock" else "semaphore"]
                yield self.hold(kind, name, call.result["token"], call,
                                size=call.params.get("permits", 1))

    # All of it.

    def figures(self):
        answered = sum(call.back < NEVER for call in self.calls)
        return collections.Counter({
            "lives": len(self.lives),
            "clients killed": len(self.strikes),
            "requests": len(self.calls),
            "answered": answered,
            "sent again": sum(call.again for call in self.calls),
            "jobs put": len(self.puts),
            "jobs handed out": sum(len(g) for g in self.grants.values())
            + sum(len(g) for g in self.takes.values()),
        })
