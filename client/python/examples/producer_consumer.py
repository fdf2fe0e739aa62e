"""Two producers and three consumers, and room for five between them.

The exercise as a course on threads has it; only the import is another.
"""
import threading
import time

from syncd import Lock, Queue

queue = Queue(maxsize=5)
done = []
done_lock = Lock()


def producer(name):
    for number in range(10):
        queue.put((name, number))       # waits while the queue is full


def consumer():
    while True:
        name, number = queue.get()
        time.sleep(0.001)               # the work
        with done_lock:
            done.append((name, number))
        queue.task_done()


for _ in range(3):
    threading.Thread(target=consumer, daemon=True).start()
producers = [threading.Thread(target=producer, args=(name,))
             for name in ("ada", "bob")]
for thread in producers:
    thread.start()
for thread in producers:
    thread.join()
queue.join()
for name in ("ada", "bob"):
    numbers = sorted(number for by, number in done if by == name)
    print(name, numbers)
