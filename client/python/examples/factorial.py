"""A recursive function that takes the lock it already holds.

The exercise as a course on threads has it; only the import is another.
"""
import threading

from syncd import RLock

lock = RLock()
results = {}


def factorial(n):
    with lock:
        return 1 if n <= 1 else n * factorial(n - 1)


def worker(n):
    value = factorial(n)
    with lock:
        results[n] = value


threads = [threading.Thread(target=worker, args=(n,)) for n in (3, 5, 7)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sorted(results.items()))
