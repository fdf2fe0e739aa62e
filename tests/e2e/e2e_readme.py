#!/usr/bin/env python3
"""The tour of README.md, typed word for word.

    e2e_readme.py [BIN]      where syncd and syncctl are

Every line behind "$ " in a console block of the tour is run by one bash, in
their order; what it prints must be what stands under it, where "..." stands
for any lines. Each command must exit with 0. The daemon is the one that the
tour starts, in a temporary folder.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
SECONDS_MAX = 120

# What a reader does without thinking: to look whether the daemon is there
# before going on.
WHEN_STARTED = """
for try in $(seq 1200); do
    syncctl --quiet ping >/dev/null 2>&1 && break
    sleep 0.05
done
"""


def tour():
    """[(command, [line])] of the tour."""
    with open(os.path.join(TOP, "README.md"), encoding="utf-8") as file:
        section = file.read().split("## A two-minute tour\n")[1]
    section = section.split("\n## ")[0]
    steps = []
    for block in re.findall(r"^```console\n(.*?)^```", section,
                            flags=re.M | re.S):
        for line in block.splitlines():
            if line.startswith("$ "):
                steps.append((line[2:], []))
            else:
                steps[-1][1].append(line)
    return steps


def script_of(steps):
    """Prints "@@ number" before each command and its exit status behind it."""
    lines = ["exec 2>&1"]
    for number, (command, _) in enumerate(steps):
        lines += [f"printf '@@ {number}\\n'", command,
                  "printf '@@ status %d\\n' $?"]
        if re.match(r"syncd\b.*&$", command):
            lines.append(WHEN_STARTED)
    return "\n".join(lines)


def place(folder, binaries):
    """The checkout as the tour sees it. The daemon's log goes to a file: in a
    terminal it would stand between the lines."""
    bin_dir = os.path.join(folder, "build", "bin")
    os.makedirs(bin_dir)
    os.symlink(os.path.join(binaries, "syncctl"),
               os.path.join(bin_dir, "syncctl"))
    os.symlink(os.path.join(TOP, "client"), os.path.join(folder, "client"))
    wrapper = os.path.join(bin_dir, "syncd")
    with open(wrapper, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\nexec '{binaries}/syncd' \"$@\" "
                   f"2>>'{folder}/syncd.log'\n")
    os.chmod(wrapper, 0o755)


def environment(folder):
    """Whoever runs this, the daemon's places are in the folder."""
    clean = {name: value for name, value in os.environ.items()
             if not name.startswith(("SYNCD_", "XDG_"))}
    for name in ("run", "state", "config"):
        os.makedirs(os.path.join(folder, name), mode=0o700)
    return dict(clean, HOME=folder,
                RUNTIME_DIRECTORY=os.path.join(folder, "run"),
                STATE_DIRECTORY=os.path.join(folder, "state"),
                CONFIGURATION_DIRECTORY=os.path.join(folder, "config"),
                SYNCD_SOCKET=os.path.join(folder, "run", "syncd.sock"))


def run(script, folder):
    """What it printed, without what bash says of the daemon that the tour
    kills. Whatever it leaves behind is killed with its group."""
    shell = subprocess.Popen(
        ["bash", "-c", script], cwd=folder, env=environment(folder),
        stdin=subprocess.DEVNULL, stdout=open(f"{folder}/printed", "wb"),
        start_new_session=True)
    try:
        shell.wait(SECONDS_MAX)
    except subprocess.TimeoutExpired:
        print(f"no end after {SECONDS_MAX} s")
    finally:
        os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()
    with open(f"{folder}/printed", encoding="utf-8") as file:
        return re.sub(r"^bash: line \d+: +\d+ Killed .*\n", "", file.read(),
                      flags=re.M)


def matches(expected, printed):
    pattern = "".join(r"(?:.*\n)*" if line == "..." else
                      re.escape(line) + "\n" for line in expected)
    return re.fullmatch(pattern, printed) is not None


def faults(steps, printed):
    """Compares each command's output and exit status."""
    parts = dict(re.findall(r"^@@ (\d+)\n(.*?^@@ status \d+)\n", printed,
                            flags=re.M | re.S))
    for number, (command, expected) in enumerate(steps):
        if str(number) not in parts:
            yield f"$ {command}\n  was not reached or did not end"
            return
        text, status = parts[str(number)].rsplit("@@ status ", 1)
        if status != "0":
            yield f"$ {command}\n  exit status {status}, and:\n{text}"
        elif not matches(expected, text):
            yield f"$ {command}\n  printed:\n{text}  instead of: {expected}"


def main():
    binaries = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else
                               os.path.join(TOP, "build", "bin"))
    steps = tour()
    folder = tempfile.mkdtemp(prefix="syncd-tour-")
    try:
        place(folder, binaries)
        printed = run(script_of(steps), folder)
        found = list(faults(steps, printed))
        if found:
            with open(f"{folder}/syncd.log", errors="replace") as log:
                found.append("the daemon's log:\n" + log.read()[-4000:])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(found) if found else f"{len(steps)} commands, as told")
    return 1 if found or len(steps) < 10 else 0


if __name__ == "__main__":
    sys.exit(main())
