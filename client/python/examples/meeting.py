"""Three workers meet at a barrier, twice; the second time one does not come.

The exercise as a course on threads has it; only the import is another.
"""
import threading

from syncd import Barrier, BrokenBarrierError, Lock

indexes = []
broken = []
lock = Lock()
barrier = Barrier(3, timeout=60)


def worker(number):
    index = barrier.wait()
    with lock:
        indexes.append(index)
    if number == 2:
        return                          # never comes to the second meeting
    try:
        barrier.wait(timeout=0.2)
    except BrokenBarrierError:
        with lock:
            broken.append(number)


threads = [threading.Thread(target=worker, args=(number,))
           for number in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("met:", sorted(indexes))
print("told that it is broken:", sorted(broken), barrier.broken)
