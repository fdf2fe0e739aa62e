"""Ten downloads, three at a time.

The exercise as a course on threads has it; only the import is another.
"""
import threading
import time

from syncd import Lock, Semaphore

slots = Semaphore(3)
lock = Lock()
running = 0
most = 0


def download(number):
    global running, most
    with slots:
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)                # the download
        with lock:
            running -= 1


threads = [threading.Thread(target=download, args=(number,))
           for number in range(10)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("never more than three:", most <= 3)
