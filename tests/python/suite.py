"""The interpreter's own suites, pointed at the classes of client/python.

`use_daemon` gives a test module a daemon of its own for all its tests, and opens
the process's session before any of them counts threads. `without` takes tests
out of a suite by name, each with its reason; a name that is not there is a
mistake, so that no reason outlives its test.
"""
import os
import shutil
import sys
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TOP, "client", "python"),
                os.path.join(TOP, "tests", "e2e")]

import harness  # noqa: E402
import syncd  # noqa: E402


def use_daemon(module):
    """Defines setUpModule and tearDownModule in this namespace."""
    state = {}

    def set_up():
        # The suites mean threads: a second for a tenth. In memory the disk is
        # no part of it; that answers wait for it is others' to test.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        state["directory"] = tempfile.mkdtemp(prefix="syncd-", dir=memory)
        state["daemon"] = harness.Daemon(state["directory"]).start()
        os.environ["SYNCD_SOCKET"] = state["daemon"].socket_path
        os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:2])
        syncd.client().info()

    def tear_down():
        syncd.client().end()
        daemon = state["daemon"]
        status = daemon.stop()
        log = "\n".join(daemon.log)
        shutil.rmtree(state["directory"], ignore_errors=True)
        if status != 0 or harness.SANITIZER.search(log):
            raise AssertionError(f"syncd ended with {status}:\n{log}")

    module["setUpModule"] = set_up
    module["tearDownModule"] = tear_down


def without(reasons):
    """A class decorator: {test's name: why it is not for us}."""
    def take_out(case):
        for name, reason in reasons.items():
            test = getattr(case, name)
            setattr(case, name, unittest.skip(reason)(test))
        return case
    return take_out


def without_any(prefix, reason):
    """The same for all that begin so, if this Python has them."""
    def take_out(case):
        names = [name for name in dir(case) if name.startswith(prefix)]
        return without({name: reason for name in names})(case)
    return take_out


def main():
    """Runs the tests of the module, and says which were left out."""
    unittest.main(verbosity=2)
