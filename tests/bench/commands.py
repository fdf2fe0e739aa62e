"""The commands of the shell, side by side: a file of lines into a queue, and a
command for each job. What each figure means stands in README.md."""
import os
import resource
import subprocess
import sys
import time


def spent():
    """CPU seconds of all children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def timed(argv, count, path, **environment):
    """Runs it with the file as its input: the rate, and its CPU for each."""
    before = spent()
    began = time.monotonic()
    with open(path) as lines:
        ran = subprocess.run(argv, stdin=lines, stdout=subprocess.DEVNULL,
                             env=dict(os.environ, **environment), check=False)
    took = time.monotonic() - began
    if ran.returncode != 0:
        sys.exit("bench: %s failed" % " ".join(argv[:3]))
    return {"rate": count / took, "client_us": (spent() - before) / count * 1e6}


def server_cpu(server):
    """CPU seconds of all threads of it."""
    total = 0
    tasks = "/proc/%d/task" % server.process.pid
    for task in os.listdir(tasks):
        with open("%s/%s/schedstat" % (tasks, task)) as stat:
            total += int(stat.read().split()[0])
    return total / 1e9


def write_lines(folder, count, form):
    path = os.path.join(folder, "lines")
    with open(path, "w") as lines:
        for number in range(count):
            lines.write(form % ("%010d" % number + 90 * "x"))
    return path


def syncctl(bench):
    return os.path.join(bench.bin, "syncctl")


def measured(server, argv, count, path):
    before = server_cpu(server)
    found = timed(argv, count, path, SYNCD_SOCKET=server.socket)
    found["cpu_us"] = (server_cpu(server) - before) / count * 1e6
    server.close()
    return found


def lines_put(kind):
    def run(bench):
        count = max(int(500000 * bench.scale), 20)
        server = kind()
        path = write_lines(server.folder, count, "%s\n")
        return measured(server, [syncctl(bench), "put", "bench0", "--lines",
                                 "--quiet"], count, path)
    return ("put --lines: " + kind.name, kind.settings, run)


def lines_piped(kind):
    def run(bench):
        count = max(int(500000 * bench.scale), 20)
        server = kind()
        path = write_lines(server.folder, count, "RPUSH q %s\r\n")
        return measured(server, ["redis-cli", "-s", server.socket, "--pipe"],
                        count, path)
    return (kind.name.replace("Redis lists", "Redis --pipe"),
            kind.settings, run)


def worked(kind, slots):
    """So many commands at once; the jobs are put before."""
    def run(bench):
        count = max(int(4000 * bench.scale), 20)
        server = kind()
        path = write_lines(server.folder, count, "%s\n")
        timed([syncctl(bench), "put", "bench0", "--lines", "--quiet"], count,
              path, SYNCD_SOCKET=server.socket)
        found = measured(server, [syncctl(bench), "work", "bench0", "-j",
                                  str(slots), "--until-empty", "--", "true"],
                         count, os.devnull)
        return found
    return ("work -j %d: %s" % (slots, kind.name), kind.settings, run)


def xargs(kind, slots):
    """Without a server, a queue, or a memory of what has failed; `kind` lends
    the folder."""
    def run(bench):
        count = max(int(4000 * bench.scale), 20)
        server = kind()
        path = write_lines(server.folder, count, "%s\n")
        found = timed(["xargs", "-P", str(slots), "-n", "1", "true"], count,
                      path)
        server.close()
        return dict(found, cpu_us=0)
    return ("xargs -P %d" % slots, "no queue", run)
