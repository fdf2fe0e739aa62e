#!/usr/bin/env python3
"""A client process of the swarm.

    roles.py SOCKET RECORD SEED ROLE [KEY=VALUE...]

It does what its role says until it gets a TERM: then it ends what it has begun
and exits. (Or until it is killed, which is what mostly happens.)
"""
import random
import signal
import sys
import time

import peer as peers
import record

stopping = False


def on_term(number, frame):
    del number, frame
    global stopping
    stopping = True


def loop(one_round):
    """Calls it until the end; a loss is part of life."""
    while not stopping:
        try:
            one_round()
        except peers.Lost:
            pass


def pause(rng, seconds):
    """Seconds at most, mostly none."""
    if rng.random() < 0.3:
        time.sleep(rng.uniform(0, seconds))


def produce(peer, rng, tags, queue="main", window=4, many=3, timeout=1.0,
            keys=0, delay=0.0, hold=0.002):
    """Puts, several at once on the way."""
    def one_round():
        sent = []
        for _ in range(rng.randint(1, window)):
            count = 1 if keys or rng.random() < 0.6 else rng.randint(1, many)
            more = {"timeout": rng.choice((timeout, timeout / 50))}
            if keys:
                more["key"] = f"k{rng.randrange(keys)}"
            if delay and rng.random() < 0.3:
                more["delay"] = delay
            sent.append(peer.send_put(queue, [next(tags) for _ in
                                              range(count)], **more))
        for id in sent:
            try:
                peer.wait(id)
            except peers.Refused:
                pass
        pause(rng, hold)
    loop(one_round)


def settle(peer, rng, jobs, fails):
    """Finishes jobs, or gives some back; what is to go with the next get."""
    good = [job for job in jobs if rng.random() >= fails]
    for job in jobs:
        if job not in good:
            peer.call("queue.fail", {"id": job["id"], "token": job["token"]})
    if not good:
        return None
    token = good[0]["token"]
    how = rng.randrange(4)
    if how == 0:
        return {"ids": [job["id"] for job in good], "token": token}
    if how == 1:
        peer.call("queue.done", {"jobs": [
            {"id": job["id"], "token": job["token"]} for job in good]})
    elif how == 2:
        peer.call("queue.done", {"ids": [job["id"] for job in good],
                                 "token": token})
    else:
        for id in [peer.send("queue.done", {"id": job["id"], "token": token})
                   for job in good]:
            peer.wait(id)
    return None


def work(peer, rng, tags, queue="main", most=3, fails=0.0, drops=0.0,
         take=0, hold=0.002, lease=0.0):
    """Takes jobs and finishes them; drops its connection now and then."""
    del tags
    done = None

    def one_round():
        nonlocal done
        params = {"queue": queue, "max": rng.randint(1, most), "timeout": 2}
        if done:
            params["done"] = done
            done = None
        if take:
            params["take"] = True
        elif lease:
            params["lease"] = lease
        try:
            jobs = peer.call("queue.get", params)["jobs"]
            pause(rng, hold)
            if rng.random() < drops:
                peer.close()
            elif jobs and not take:
                done = settle(peer, rng, jobs, fails)
        except peers.Refused:
            done = None
    loop(one_round)
    if done:
        peer.call("queue.done", done)


def lock(peer, rng, tags, name="l", hold=0.003):
    del tags

    def one_round():
        got = peer.call("lock.acquire", {"lock": name, "timeout": 0.5})
        if got["acquired"]:
            pause(rng, hold)
            peer.call("lock.release", {"lock": name, "token": got["token"]})

    def patient():
        try:
            one_round()
        except peers.Refused:
            pass
    loop(patient)


def semaphore(peer, rng, tags, name="s", hold=0.003):
    del tags

    def one_round():
        permits = rng.randint(1, 2)
        try:
            got = peer.call("semaphore.acquire",
                            {"semaphore": name, "permits": permits,
                             "timeout": 0.5})
            if got["acquired"]:
                pause(rng, hold)
                peer.call("semaphore.release",
                          {"semaphore": name, "token": got["token"],
                           "permits": permits})
        except peers.Refused:
            pass
    loop(one_round)


def count(peer, rng, tags, name="c"):
    """An unbounded semaphore: up and down."""
    del tags

    def one_round():
        try:
            if rng.random() < 0.6:
                peer.call("semaphore.release", {"semaphore": name})
            else:
                peer.call("semaphore.acquire",
                          {"semaphore": name, "timeout": 0})
        except peers.Refused:
            pass
        pause(rng, 0.005)
    loop(one_round)


def barrier(peer, rng, tags, name="b", parties=2):
    del tags

    def one_round():
        try:
            peer.call("barrier.wait", {"barrier": name, "parties": parties,
                                       "timeout": 1})
        except peers.Refused as refused:
            if refused.name == "broken":
                peer.call("barrier.reset", {"barrier": name})
        pause(rng, 0.005)

    def patient():
        try:
            one_round()
        except peers.Refused:
            pass
    loop(patient)


def batch(peer, rng, tags, queue="staged"):
    """Batches of three stages, waited for."""
    def one_round():
        name = next(tags)
        stages = ["one", "two", "three"]
        try:
            peer.call("batch.create", {"batch": name, "stages": stages})
            jobs = [stage for stage in stages
                    for _ in range(rng.randint(0, 3))]
            rng.shuffle(jobs)
            for stage in jobs:
                peer.put(queue, [next(tags)], batch=name, stage=stage)
            peer.call("batch.seal", {"batch": name})
            peer.call("batch.wait", {"batch": name, "timeout": 1})
        except peers.Refused:
            pass
    loop(one_round)


def look(peer, rng, tags, queues="main"):
    """Joins and shows."""
    del tags
    names = queues.split(",")

    def one_round():
        name = rng.choice(names)
        try:
            if rng.random() < 0.5:
                peer.call("queue.join", {"queue": name, "timeout":
                                         rng.choice((0, 0.05, 0.3))})
            else:
                peer.call("queue.show", {"queue": name})
        except peers.Refused:
            pass
        pause(rng, 0.01)
    loop(one_round)


ROLES = {role.__name__: role for role in (
    produce, work, lock, semaphore, count, barrier, batch, look)}


def value_of(text):
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def main():
    path, file, seed, role = sys.argv[1:5]
    options = dict(word.split("=", 1) for word in sys.argv[5:])
    options = {name: value_of(text) for name, text in options.items()}
    signal.signal(signal.SIGTERM, on_term)
    rng = random.Random(seed)
    writer = record.Writer(file)
    writer.begin(role)
    grace = options.pop("grace", None)
    peer = peers.Peer(path, writer, rng, grace)
    ROLES[role](peer, rng, peers.tag_maker(file), **options)


if __name__ == "__main__":
    main()
