"""The same exercises in programs that know of each other only by names.

    processes.py produce QUEUE NAME COUNT     puts NAME:0, NAME:1, ...
    processes.py consume QUEUE                does them, printing each
    processes.py fetch|process|save RUN       the stages, by two events
    processes.py meet BARRIER SECONDS         one of three
    processes.py download SEMAPHORE NAME      one of three at a time
    processes.py factorial LOCK N             recursive, under an RLock

Start as many as you like, kill any of them: what it held is free, and what it
was doing is another's.
"""
import sys

from syncd import (Barrier, BrokenBarrierError, Event, Queue, RLock, Semaphore,
                   ShutDown)


def say(*words):
    print(*words, flush=True)


def work(name):
    """Stands for the work: it takes until a line, or the end, of stdin."""
    say("at", name)
    sys.stdin.readline()


def produce(queue, name, count):
    room = Queue(queue, 5)
    for number in range(int(count)):
        room.put(f"{name}:{number}")
    say("produced", count)


def consume(queue):
    room = Queue(queue, 5)
    while True:
        try:
            item = room.get()
        except ShutDown:
            return
        work(item)
        say("done", item)
        room.task_done()


def fetch(run):
    work("fetch")
    Event(f"{run} fetched").set()


def process(run):
    Event(f"{run} fetched").wait()
    work("process")
    Event(f"{run} processed").set()


def save(run):
    Event(f"{run} processed").wait()
    work("save")
    say("saved")


def meet(barrier, seconds):
    try:
        say("met", Barrier(barrier, 3).wait(timeout=float(seconds)))
    except BrokenBarrierError:
        say("broken")


def download(semaphore, name):
    with Semaphore(semaphore, 3):
        work(name)
    say("done", name)


def factorial(name, n):
    lock = RLock(name)

    def of(k):
        with lock:
            if k <= 1:
                work("the bottom")
                return 1
            return k * of(k - 1)
    say(of(int(n)))


if __name__ == "__main__":
    exercises = {one.__name__: one for one in (
        produce, consume, fetch, process, save, meet, download, factorial)}
    if len(sys.argv) < 2 or sys.argv[1] not in exercises:
        sys.exit(__doc__)
    exercises[sys.argv[1]](*sys.argv[2:])
