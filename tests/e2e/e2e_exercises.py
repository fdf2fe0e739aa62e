#!/usr/bin/env python3
"""The classic exercises, as shell scripts that their users would write.

The bounded producer and consumer; fetch, process, save after one another with
two events; three workers at a barrier, once passing and once broken; the
pipeline as a batch in three stages.
"""

import os
import subprocess

import harness
import syncctl_case


class Exercises(syncctl_case.SyncctlCase):
    def shell(self, script, status=0):
        """Runs a script with syncctl in its PATH, in a directory of its own."""
        bin = os.path.dirname(os.path.abspath(harness.SYNCCTL))
        process = subprocess.Popen(
            ["bash", "-c", script], cwd=self.directory,
            env=self.environment(PATH=f"{bin}:{os.environ['PATH']}"),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True)
        self.addCleanup(self._end_process, process)
        return self.finish(process, status)

    def test_bounded_producers_and_consumers(self):
        """Two producers, three consumers, room for five: everything arrives
        once, and there are never more than five."""
        ran = self.shell("""
            syncctl queue set q --capacity 5
            for i in 1 2 3; do
                syncctl work q --until-closed -- sh -c '
                    syncctl queue show q --json >> "$T/seen"; echo "$1"' _ {} &
            done > taken
            seq 1 20 | syncctl put q --lines -q & one=$!
            seq 21 40 | syncctl put q --lines -q & two=$!
            wait $one $two
            syncctl join q && syncctl queue close q
            wait
            sort -n taken
        """)
        self.assertEqual(ran.lines, [str(n) for n in range(1, 41)])
        with open(self.path("seen")) as seen:
            ready = [line.split('"ready":')[1].split(",")[0] for line in seen]
        self.assertEqual(len(ready), 40)
        self.assertLessEqual(max(map(int, ready)), 5)

    def test_three_stages_with_two_events(self):
        for _ in range(3):
            ran = self.shell("""
                syncctl event clear fetched; syncctl event clear processed
                save() { syncctl event wait processed && echo save; }
                process() { syncctl event wait fetched && echo process &&
                            syncctl event set processed; }
                fetch() { echo fetch && syncctl event set fetched; }
                save & process & fetch &
                wait
            """)
            self.assertEqual(ran.lines, ["fetch", "process", "save"])

    def test_three_workers_meet(self):
        ran = self.shell("""
            for worker in a b c; do
                { echo "$worker came" >> log
                  index=$(syncctl barrier phase1 --parties 3 --timeout 60)
                  echo "$worker went on" >> log
                  echo "$index"; } &
            done | sort
            wait
            cut -d' ' -f2- log | uniq -c
        """)
        self.assertEqual([line.split() for line in ran.lines],
                         [["0"], ["1"], ["2"], ["3", "came"],
                          ["3", "went", "on"]])

    def test_one_never_comes(self):
        ran = self.shell("""
            for worker in a b; do
                { syncctl barrier phase1 --parties 3 --timeout 0.5
                  echo "$worker: $?"; } &
            done | sort
            wait
            syncctl barrier show phase1 | grep state
        """)
        self.assertEqual(ran.lines[:2], ["a: 125", "b: 125"])
        self.assertIn("broken (timeout)", ran.lines[2])
        self.assertEqual(ran.err.count("not all parties came in time"), 2)

    def test_the_pipeline_in_three_stages(self):
        ran = self.shell(r"""
            printf '%s\n' u1 u2 u3 > urls; printf '%s\n' n1 n2 > names
            b=$(syncctl batch create --stages fetch,process,save)
            syncctl put dl --batch $b --stage fetch -q --lines < urls
            syncctl put px --batch $b --stage process -q --lines < names
            syncctl put up --batch $b --stage save -q '"report"'
            for queue in up px dl; do
                syncctl work $queue -j 2 --until-closed -- sh -c '
                    echo "$SYNCD_STAGE $1" >> log' _ {} &
            done
            syncctl batch seal $b && syncctl batch wait $b; echo "wait: $?"
            for queue in dl px up; do syncctl queue close $queue; done
            wait
            sort log; cut -d' ' -f1 log | uniq
        """)
        self.assertEqual(ran.lines, [
            "wait: 0", "fetch u1", "fetch u2", "fetch u3", "process n1",
            "process n2", "save report", "fetch", "process", "save"])


if __name__ == "__main__":
    harness.main()
