#!/usr/bin/env python3
"""Who may do what: real users, by what the kernel says of them."""

import os
import re
import signal
import subprocess
import time

import harness
import users
from users import ADA, BOB, EVE, OPS, WEB

ALLOW = f"""
allow {{
    roles = {{"producer"}}
    users = {{"{ADA}"}}
    kinds = {{"queue"}}
    names = {{"mail-*"}}
}}
allow {{ roles = {{"worker"}} groups = {{"{WEB}"}} }}
allow {{ roles = {{"operator"}} groups = {{"{OPS}"}} names = {{"mail-*"}} }}
"""


@users.needs_root
class Roles(users.TestCase):
    def forbidden(self, client, method, **params):
        return self.assertRpcError("forbidden", client.call, method, **params)

    def test_by_user(self):
        daemon = self.open_daemon(ALLOW)
        ada = self.client_of(daemon, ADA)
        self.assertEqual(ada.call("queue.put", queue="mail-a", body=1),
                         {"id": 1})
        error = self.forbidden(ada, "queue.put", queue="other", body=1)
        self.assertEqual(
            {key: error.data[key] for key in ("role", "kind", "object")},
            {"role": "producer", "kind": "queue", "object": "other"})
        self.assertIn(str(ADA), error.message)
        self.assertIn("producer", error.message)
        self.assertIn("allow", error.message)
        self.forbidden(ada, "queue.get", queue="mail-a")
        self.forbidden(ada, "queue.pause", queue="mail-a")
        self.forbidden(ada, "lock.acquire", lock="mail-a")

    def test_by_group(self):
        """The group of the process as well as its supplementary ones."""
        daemon = self.open_daemon(ALLOW)
        self.client(daemon).call("queue.put", queue="q", bodies=[1, 2, 3])
        for client in (self.client_of(daemon, BOB, gid=WEB),
                       self.client_of(daemon, BOB, groups=(1, WEB, 50000)),
                       self.client_of(daemon, BOB,
                                      groups=(*range(60000, 60300), WEB))):
            job = client.call("queue.get", queue="q")["jobs"][0]
            client.call("queue.done", id=job["id"], token=job["token"])
            self.forbidden(client, "queue.put", queue="q", body=1)
        outsider = self.client_of(daemon, BOB, groups=(1, 50000))
        self.forbidden(outsider, "queue.get", queue="q")

    def test_sections_add_up(self):
        daemon = self.open_daemon(ALLOW)
        both = self.client_of(daemon, ADA, groups=(WEB, OPS))
        both.call("queue.put", queue="mail-a", body=1)
        both.call("queue.get", queue="mail-a")
        both.call("queue.pause", queue="mail-a")
        both.call("lock.acquire", lock="any")
        self.forbidden(both, "queue.put", queue="any", body=1)
        self.forbidden(both, "queue.pause", queue="any")

    def test_nothing_is_open_by_itself(self):
        for text in ("", ALLOW):
            daemon = self.open_daemon(text)
            eve = self.client_of(daemon, EVE)
            self.assertEqual(eve.call("server.info")["name"], "syncd")
            for method, params in (("queue.put", {"queue": "q", "body": 1}),
                                   ("queue.list", {}),
                                   ("job.show", {"id": 1}),
                                   ("lock.show", {"lock": "l"})):
                self.forbidden(eve, method, **params)
            daemon.stop()

    def test_a_user_s_own_daemon_is_its_own(self):
        """Root and the daemon's own user may do everything."""
        os.chmod(self.directory, 0o777)
        daemon = self.make_daemon(config=self.write(
            "c", "socket_mode = 0666\n"), user=ADA)
        try:
            daemon.start()
        except AssertionError:
            self.skipTest("the binary is not within reach of other users")
        for client in (self.client(daemon), self.client_of(daemon, ADA)):
            client.call("queue.put", queue="q", body=1)
            client.call("queue.purge", queue="q", states=["ready"])
        self.forbidden(self.client_of(daemon, EVE), "queue.show", queue="q")

    def test_another_user_s_lease(self):
        daemon = self.open_daemon(ALLOW)
        self.client(daemon).call("queue.put", queue="q", body=1)
        bob = self.client_of(daemon, BOB, groups=(WEB,))
        eve = self.client_of(daemon, EVE, groups=(WEB,))
        job = bob.call("queue.get", queue="q")["jobs"][0]
        done = {"id": job["id"], "token": job["token"]}
        self.assertRpcError("stale_token", eve.call, "queue.done", **done)
        bob.call("queue.done", **done)

    def test_another_user_s_session(self):
        """Its number and secret are of no use to others."""
        daemon = self.open_daemon(ALLOW)
        bob = self.client_of(daemon, BOB, groups=(WEB,))
        opened = bob.call("session.open", grace=60)
        bob.call("lock.acquire", lock="l")
        daemon.restart()
        resume = {key: opened[key] for key in ("session", "secret")}
        eve = self.client_of(daemon, EVE, groups=(WEB,))
        self.assertFalse(
            eve.call("session.open", grace=60, resume=resume)["resumed"])
        bob = self.client_of(daemon, BOB, groups=(WEB,))
        self.assertTrue(
            bob.call("session.open", grace=60, resume=resume)["resumed"])

    def test_reload(self):
        daemon = self.open_daemon(ALLOW)
        ada = self.client_of(daemon, ADA)
        bob = self.client_of(daemon, BOB, groups=(WEB,))
        eve = self.client_of(daemon, EVE)
        waits = bob.send("queue.get", queue="q")
        also = bob.send("queue.get", queue="mail-a")
        self.forbidden(eve, "queue.put", queue="q", body=1)
        ada.call("queue.show", queue="mail-a")
        self.write("c", f"""
            socket_mode = 0666
            allow {{ roles = producer users = "{EVE}" }}
            allow {{ roles = worker groups = "{WEB}" names = "mail-*" }}
            """)
        ready = daemon.count_notified("READY=1")
        daemon.signal(signal.SIGHUP)
        daemon.wait_notified("READY=1", ready + 1)
        # What waits and is closed now is refused; what is open waits on.
        self.assertRpcError("forbidden", bob.wait, waits)
        self.forbidden(ada, "queue.put", queue="mail-a", body=1)
        eve.call("queue.put", queue="mail-a", body=7)
        self.assertEqual(bob.wait(also)["jobs"][0]["body"], 7)

    def test_denials_are_logged(self):
        daemon = self.open_daemon()
        eve = self.client_of(daemon, EVE)
        self.forbidden(eve, "queue.put", queue='x" allowed \\n', body=1)
        line = daemon.wait_log("denied")
        self.assertIn(f"user {EVE} (pid {eve.pid})", line)
        self.assertIn("producer", line)
        self.assertIn('"x\\" allowed \\\\n"', line)
        self.assertIn("queue.put", line)

    def test_denials_do_not_flood_the_log(self):
        daemon = self.open_daemon()
        eve = self.client_of(daemon, EVE)
        started = time.monotonic()
        ids = [eve.send("queue.show", queue=f"q{i}") for i in range(2000)]
        for id in ids:
            self.assertRpcError("forbidden", eve.wait, id)
        most = 5 + time.monotonic() - started + 1
        # One more user's denial is told, whatever the first one did.
        bob = self.client_of(daemon, BOB)
        self.forbidden(bob, "queue.show", queue="of-bob")
        daemon.wait_log("of-bob")
        lines = [line for line in daemon.log if f"user {EVE} " in line]
        self.assertLessEqual(len(lines), most)
        self.assertGreaterEqual(len(lines), 5)

    def test_syncctl_says_what_lacks(self):
        daemon = self.open_daemon(ALLOW)
        run = self.syncctl(daemon, ADA, "put", "other", "1")
        self.assertEqual(run.returncode, 77, run.stderr)
        self.assertIn("producer", run.stderr)
        self.assertIn("other", run.stderr)
        self.assertEqual(run.stderr.count("\n"), 1, run.stderr)
        run = self.syncctl(daemon, ADA, "put", "mail-a", "1")
        self.assertEqual((run.returncode, run.stdout), (0, "1\n"), run.stderr)
        run = self.syncctl(daemon, EVE, "work", "mail-a", "--once", "--",
                           "true")
        self.assertEqual(run.returncode, 77, run.stderr)
        self.assertIn("worker", run.stderr)

    def test_a_closed_socket_names_the_group(self):
        daemon = self.daemon(config=self.write(
            "c", "socket_mode = 0660\nsocket_group = daemon\n"))
        with self.assertRaises(PermissionError):
            self.client_of(daemon, EVE)
        run = self.syncctl(daemon, EVE, "ping")
        self.assertEqual(run.returncode, 77, run.stderr)
        self.assertIn("daemon", run.stderr)
        status = os.stat(daemon.socket_path)
        self.assertEqual((status.st_mode & 0o777, status.st_uid),
                         (0o660, 0))

    def test_user_nobody_is_refused(self):
        daemon = self.open_daemon(ALLOW)
        client = self.client_of(daemon, 65534)
        self.assertEqual(client.read()["error"]["data"]["name"], "forbidden")
        self.assertEqual(client.rest(), [])
        daemon.wait_log("65534")


class Sections(harness.TestCase):
    """What --check-config says of `allow`."""

    def check(self, text):
        config = self.write("c", text)
        run = subprocess.run([harness.SYNCD, "--check-config", "--config",
                              config], text=True, stdin=subprocess.DEVNULL,
                             capture_output=True, timeout=harness.PATIENCE)
        return config, run

    def allows(self, text):
        _, run = self.check(text)
        self.assertEqual(run.returncode, 0, run.stderr)
        return [line for line in run.stdout.splitlines()
                if line.startswith("allow")]

    def test_what_it_prints_it_reads(self):
        text = ('allow { roles = {"producer", worker}\nusers = root\n'
                'groups = {"0", "41234"} kinds = queue\n'
                'names = {"a\\\\*", \'b"c\', "d*"} }\n'
                'allow { roles = admin users = {"root"} }\n')
        first = self.allows(text)
        self.assertEqual(len(first), 2)
        self.assertTrue(first[0].endswith("# file"), first[0])
        self.assertEqual(self.allows("\n".join(first) + "\n"), first)

    def test_mistakes_with_file_and_line(self):
        for text, line, hint in [
                ("allow { roles = boss users = root }\n", 1, "operator"),
                ("\nallow {\n roles = worker\n users = nobody-here-9\n}\n", 4,
                 "no user 'nobody-here-9'"),
                ("allow {\n groups = nothing-here-9\n roles = worker\n}\n", 2,
                 "no group 'nothing-here-9'"),
                ("allow {\n users = root\n}\n", 3, "roles"),
                ("allow {\n roles = worker\n}\n", 3, "users"),
                ("allow {\n roles = worker\n users = root\n kinds = {queue,"
                 "\n jobs}\n}\n", 5, "semaphore"),
                ("allow {\n roles = worker\n users = root\n names = '['\n}\n",
                 4, "no ]"),
                ("allow { roles = worker users = root names = '' }\n", 1,
                 "empty"),
                ("allow { roles = admin users = root names = 'a*' }\n", 1,
                 "admin"),
                ("allow { role = worker users = root }\n", 1,
                 "did you mean 'roles'"),
                ("alow { roles = worker users = root }\n", 1,
                 "did you mean 'allow'"),
                ("allow {}\n", 1, "roles"),
                ("allow = worker\n", 1, ""),
                ("# x\n/* y\n */ allow {\n roles = worker\n # z\n"
                 " users = nobody-here-9 }\n", 6, "nobody-here-9")]:
            with self.subTest(text):
                config, run = self.check(text)
                self.assertEqual(run.returncode, 78, run.stdout)
                self.assertIn(f"{config}:{line}: ", run.stderr)
                self.assertIn(hint, run.stderr)
                self.assertEqual(run.stderr.count("\n"), 1, run.stderr)

    def test_the_default_is_for_the_service_alone(self):
        """Of a user's own daemon nothing is open to others by itself."""
        with open("/etc/group") as groups:
            has_group = re.search("^syncd:", groups.read(), re.M)
        shown = self.allows("")
        if os.geteuid() == 0 and has_group:
            self.assertEqual(len(shown), 1)
            self.assertIn('groups = {"syncd"}', shown[0])
            self.assertTrue(shown[0].endswith("# default"))
        elif os.geteuid() != 0:
            self.assertEqual(shown, [])

    def test_the_default_configuration_explains_it(self):
        run = subprocess.run([harness.SYNCD, "--default-config"], text=True,
                             capture_output=True, timeout=harness.PATIENCE)
        example = "\n".join(line[4:] for line in run.stdout.splitlines()
                            if line.startswith("#   "))
        self.assertIn("allow {", example)
        example = example.replace('"syncd"', '"root"')
        example = example.replace('"www-data"', '"root"')
        self.assertEqual(len(self.allows(example + "\n")), 2)


if __name__ == "__main__":
    harness.main()
