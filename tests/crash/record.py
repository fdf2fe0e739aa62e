"""The record: what a process of the swarm asked, and what it was answered.

One file a process, outside the daemon, one JSON list a line, written before a
request goes out and after a reply has come in, so that what it says holds
whoever is killed at whatever moment. The time is CLOCK_MONOTONIC, which all
processes of the machine share, in nanoseconds. Words:

    begin ROLE PID OFFSET   OFFSET: seconds from this clock to Unix time
    up PID SESSION RESUMED  connected to the daemon with this pid; SESSION 0: one
                            without a grace
    close                   about to close the connection
    down                    the connection is found lost
    lost                    the session is gone: requests without an answer will
                            get none, what was held is held no more
    call N METHOD PARAMS    a request; bodies are told by their tags alone
    again N                 the same request, once more, after a resume
    back N RESULT           its answer
    error N NAME            its refusal
    corrupt TAG             a body came back as it was not put

and in that of the swarm itself:

    launch PID              a daemon
    ready PID
    kill PID                about to be killed
    end PID                 a daemon ends in good order
    strike FILE             about to kill the process that writes FILE
"""
import json
import os
import time


class Writer:
    def __init__(self, path):
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, *words):
        text = json.dumps([time.monotonic_ns(), *words], separators=(",", ":"))
        os.write(self.fd, text.encode() + b"\n")

    def begin(self, role):
        self.write("begin", role, os.getpid(),
                   time.time() - time.monotonic())


def read(path):
    """The lines of a record; the last one may have been cut off by a kill."""
    with open(path, "rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield json.loads(line)
