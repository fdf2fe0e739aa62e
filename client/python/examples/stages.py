"""Fetch, process, save: each waits for the one before, by an event.

The exercise as a course on threads has it; only the import is another.
"""
import threading

from syncd import Event

fetched = Event()
processed = Event()


def fetch():
    print("fetch: 1 2 3")
    fetched.set()


def process():
    fetched.wait()
    print("process: 2 4 6")
    processed.set()


def save():
    if not processed.wait(timeout=60):
        raise SystemExit("save: nothing came")
    print("save: done")


threads = [threading.Thread(target=stage) for stage in (save, process, fetch)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
