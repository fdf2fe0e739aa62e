"""The checks of a history (history.py): each is a function that yields what it
finds wrong, and its name says what must hold."""
import collections
import itertools

from history import NEVER


def overlapping(holds, most=1):
    """Where more than `most` are held at once; holds of no length are none."""
    edges = []
    for hold in holds:
        if hold.begin < hold.end:
            edges.append((hold.begin, 1, hold))
            edges.append((hold.end, 0, hold))
    edges.sort(key=lambda edge: edge[:2])
    held, size = {}, 0
    for _, begins, hold in edges:
        if begins:
            held[id(hold)] = hold
            size += hold.size
            if size > most:
                yield list(held.values())
        else:
            del held[id(hold)]
            size -= hold.size


def by(things, key):
    groups = collections.defaultdict(list)
    for thing in things:
        groups[key(thing)].append(thing)
    return groups


# 1, 2: jobs are neither lost, altered, made up, nor done twice.

def bodies_come_back_as_put(past):
    for tag in past.corrupt:
        yield f"the body of {tag} came back altered"


def is_on_disk(past, id):
    """Was this job certainly safe at some time? One that was handed out while
    its put was still being written may be gone with the daemon, unanswered;
    its put, sent again, makes another one then."""
    given = [*past.grants.get(id, ()), *past.takes.get(id, ())]
    lives = {call.back_pid for _, call in given}
    return (id in past.puts or len(lives) > 1
            or any(ok for _, _, ok in past.finishes.get(id, ())))


def each_put_makes_one_job(past):
    for tag, ids in past.tag_ids.items():
        if sum(is_on_disk(past, id) for id in ids) > 1:
            yield f"{tag} was put once and is the jobs {sorted(ids)}"
        if tag not in past.tag_calls:
            yield f"{tag} was handed out and never put"
        elif past.tag_calls[tag][0].error is not None:
            yield (f"{tag} was refused and is job {sorted(ids)}: "
                   f"{past.tag_calls[tag][0]}")
    for id, puts in past.puts.items():
        if len(puts) > 1:
            yield f"id {id} was given to several: {puts}"


def finished_jobs_never_come_back(past):
    for id, tries in past.finishes.items():
        good = [(token, call) for token, call, ok in tries if ok]
        if len(good) > 1:
            yield f"job {id} was finished more than once: {good}"
        for token, call in good:
            for later, grant in past.grants.get(id, ()):
                if later > token:
                    yield (f"job {id} was handed out again, {grant}, after "
                           f"it was finished, {call}")


def jobs_taken_are_handed_out_once(past):
    for id, takes in past.takes.items():
        if len(takes) > 1:
            yield f"job {id} was taken more than once: {takes}"


def nothing_acknowledged_is_lost(past, drained):
    """After the end of a drain each job was finished, or may have been."""
    if not drained:
        return
    unknown = sum(call.params["max"] for call in past.calls
                  if call.method == "queue.get" and call.params.get("take")
                  and call.back == NEVER)
    missing = []
    for id, puts in past.puts.items():
        if id not in past.finishes and id not in past.takes:
            call, tag = puts[0]
            if call.params["queue"] == "taken":
                missing.append(id)
            else:
                yield f"job {id}, {tag}, was acknowledged and is lost: {call}"
    if len(missing) > unknown:
        yield (f"{len(missing)} jobs that were acknowledged are lost, and "
               f"only {unknown} may have been taken unseen: {missing}")


def jobs_are_leased_to_one(past):
    for holds in by(past.job_holds(), lambda hold: hold.what).values():
        for both in overlapping(holds):
            yield f"leased twice at once: {both}"


def leases_last(past, leases_expire=False):
    """Who still holds a job can finish it."""
    if leases_expire:
        return
    holds = {(hold.what[1], hold.token): hold for hold in past.job_holds()}
    for id, tries in past.finishes.items():
        for token, call, ok in tries:
            hold = holds.get((id, token))
            if hold is not None and ok is False and hold.end >= call.at and \
                    call.error in (None, "stale_token") and \
                    past.gives_back[("job", id, token)] is call and \
                    (call.back_pid == hold.call.back_pid
                     or survives(past, hold, call)):
                yield f"a lease was lost: {hold}; {call}"


def survives(past, hold, call):
    """Is this lease still there in the life in which the call was answered?"""
    return (call.tenure is hold.call.tenure and call.tenure.grace
            and past.durable_at.get(hold.call.back_pid, 0) > hold.call.back)


# 3, 5: bounds.

def capacity_is_never_exceeded(past, queues):
    for queue, terms in queues.items():
        if terms["capacity"] == 0:
            continue
        waiting = list(definitely_waiting(past, queue))
        for several in overlapping(waiting, terms["capacity"]):
            yield (f"{queue} has room for {terms['capacity']} and holds "
                   f"{len(several)}: {several}")
    for call in past.calls:
        # Nothing ever comes back to a queue whose jobs are only taken.
        if call.method == "queue.show" and call.result and \
                call.params["queue"] == "taken":
            counts = call.result["counts"]
            if counts["ready"] + counts["delayed"] > call.result["capacity"]:
                yield f"taken is over its capacity: {call}"


class Waiting:
    """A job that is certainly in its queue, never handed out so far."""

    size = 1

    def __init__(self, id, begin, end):
        self.id, self.begin, self.end = id, begin, end

    def __repr__(self):
        return f"job {self.id} {self.begin}..{self.end}"


def definitely_waiting(past, queue):
    gets = [call for call in past.calls if call.method == "queue.get"
            and call.params["queue"] == queue]
    # Gets that nobody knows the answer of: what was there, or came meanwhile,
    # may have been theirs; also what came after a client was killed, as long
    # as the daemon had not noticed, which is not known.
    fogs = sorted((call.at, past.end_of(call.pid, NEVER))
                  for call in gets if call.back == NEVER or call.again)
    first = {}
    for source in (past.grants, past.takes):
        for id, grants in source.items():
            first[id] = min(call.at for _, call in grants)
    for id, puts in past.puts.items():
        call, _ = puts[0]
        if call.params["queue"] != queue:
            continue
        end = first.get(id, NEVER)
        for begins, ends in fogs:
            if ends > call.at:  # its answer may be read much later
                end = min(end, begins)
        if call.back < end:
            yield Waiting(id, call.back, end)


def concurrency_is_never_exceeded(past, queues):
    for queue, terms in queues.items():
        if terms.get("concurrency"):
            holds = [hold for hold in past.job_holds()
                     if hold.call.params["queue"] == queue]
            for several in overlapping(holds, terms["concurrency"]):
                yield f"{queue} runs too many at once: {several}"


def semaphores_never_exceed_their_value(past, permits):
    holds = past.other_holds("semaphore.acquire", "permit")
    for several in overlapping(holds, permits):
        yield f"more than {permits} permits: {several}"


# 4: order.

def producers_are_served_in_order(past, queue="main"):
    """In one life, of those of one producer, the one put first goes first."""
    for life in past.lives.values():
        # A consumer that was killed gives back what nobody saw it take.
        known_until = min((at for at, who in life.strikes
                           if who.startswith("w")), default=NEVER)
        places = []
        seen = set()
        for call in past.calls:
            if call.method == "queue.get" and call.result and \
                    call.params["queue"] == queue and not call.again and \
                    call.pid == life.pid and call.back < known_until:
                for place, job in enumerate(call.result["jobs"]):
                    # One that was out before may have come back late: with
                    # the session, say, of a consumer killed lives ago.
                    if job[3] == 1:
                        places.append((job[1], place, job[0], job[2]))
        last = {}
        for token, place, id, tag in sorted(places):
            if id in seen:
                continue
            seen.add(id)
            put, index = past.tag_calls[tag]
            if put.again:  # it may have been refused, unseen, and tried anew
                continue
            here = (put.n, index)
            if here < last.get(put.who, (0, 0)):
                yield (f"{tag} of {put.who} comes after a later one, token "
                       f"{token}, in the life of {life.pid}")
            last[put.who] = max(here, last.get(put.who, (0, 0)))


# 6: join.

def join_returns_when_all_is_finished(past):
    covers = {}
    for call in past.calls:
        if call.method != "queue.join" or not call.result or \
                not call.result["joined"]:
            continue
        queue = call.params["queue"]
        if queue not in covers:
            covers[queue] = list(unfinished(past, queue))
        for begin, end in covers[queue]:
            if begin < call.at and call.back < end:
                yield f"joined while jobs were unfinished all along: {call}"


def unfinished(past, queue):
    """Times at each of whose moments some job certainly was unfinished."""
    times = sorted((puts[0][0].back, past.first_finish.get(id, NEVER))
                   for id, puts in past.puts.items()
                   if puts[0][0].params["queue"] == queue
                   and id not in past.takes)
    merged = []
    for begin, end in times:
        if begin >= end:
            continue
        if merged and begin < merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([begin, end])
    return merged if queue != "taken" else []


# 8, 10: locks and barriers.

def locks_have_one_holder(past):
    holds = by(past.other_holds("lock.acquire", "lock"),
               lambda hold: hold.what)
    for several in holds.values():
        for both in overlapping(several):
            yield f"held twice at once: {both}"


def holders_can_release(past):
    for kind, method in (("lock", "lock.acquire"),
                         ("permit", "semaphore.acquire")):
        for hold in past.other_holds(method, kind):
            back = past.gives_back.get((*hold.what, hold.token))
            if back is None or back.error not in ("stale_token",
                                                  "over_release"):
                continue
            if hold.end >= back.at and (
                    back.back_pid == hold.call.back_pid
                    or back.tenure is hold.call.tenure
                    and back.tenure.grace):
                yield f"was held and could not be released: {hold}; {back}"


def barriers_release_all_or_none(past):
    waits = [call for call in past.calls if call.method == "barrier.wait"
             and call.result]
    rounds = by(waits, lambda call: (call.back_pid, call.params["barrier"],
                                     call.result["generation"]))
    for several in rounds.values():
        indexes = [call.result["index"] for call in several]
        parties = several[0].params["parties"]
        if len(set(indexes)) < len(indexes) or max(indexes) >= parties:
            yield f"indexes of one round: {several}"
        if max(call.at for call in several) > \
                min(call.back for call in several):
            yield f"released before all were there: {several}"


# 9: numbers.

def numbers_grow(past):
    """A token, or an id, is greater than any that was known before it was
    asked for; and none is given twice."""
    for what, found in (("token", tokens(past)), ("id", ids(past))):
        given = {}
        edges = []
        for number, call in found:
            if given.setdefault(number, call) is not call:
                yield f"{what} {number} twice: {given[number]}; {call}"
            edges.append((call.back, 1, number, call))
            edges.append((call.at, 0, number, call))
        edges.sort(key=lambda edge: edge[:2])
        known, floor = 0, {}
        for _, ends, number, call in edges:
            if not ends:
                floor[id(call), number] = known
            else:
                if number <= floor[id(call), number]:
                    yield (f"{what} {number} is not greater than "
                           f"{floor[id(call), number]}: {call}")
                known = max(known, number)


def tokens(past):
    for call in past.calls:
        if not call.result:
            continue
        if call.method == "queue.get":
            yield from {(job[1], call) for job in call.result["jobs"]}
        elif call.method in ("lock.acquire", "semaphore.acquire") and \
                "token" in call.result:
            yield call.result["token"], call


def ids(past):
    for id, puts in past.puts.items():
        yield id, puts[0][0]


# 13: stages.

def stages_pass_in_order(past):
    batches = collections.defaultdict(lambda: collections.defaultdict(list))
    for id, puts in past.puts.items():
        params = puts[0][0].params
        if "batch" in params:
            batches[params["batch"]][params["stage"]].append(id)
    for call in past.calls:
        if call.method == "batch.wait" and call.result and \
                call.result["passed"]:
            for id in itertools.chain(*batches[call.params["batch"]].values()):
                if past.first_finish.get(id, NEVER) > call.back:
                    yield f"passed before job {id} was finished: {call}"
    order = ("one", "two", "three")
    for name, stages in batches.items():
        for before, after in itertools.combinations(order, 2):
            for early, late in itertools.product(stages[before],
                                                 stages[after]):
                for _, grant in past.grants.get(late, ()):
                    if past.first_finish.get(early, NEVER) > grant.back:
                        yield (f"{name}: job {late} of {after} came before "
                               f"{early} of {before} was finished: {grant}")


# Keys, counters, sessions, the end.

def keys_are_of_one_job(past):
    spans = collections.defaultdict(list)
    for id, puts in past.puts.items():
        call = puts[0][0]
        if call.params.get("key"):
            key = (call.params["queue"], call.params["key"])
            spans[key].append(Waiting(id, call.back,
                                      past.first_finish.get(id, NEVER)))
    for key, several in spans.items():
        for both in overlapping(several):
            yield f"two unfinished jobs bear the key {key}: {both}"
    ends = {id: min((call.back for _, call, ok in tries if ok),
                    default=NEVER)
            for id, tries in past.finishes.items()}
    for call in past.calls:
        if call.method == "queue.put" and call.result and \
                call.result.get("duplicate") and \
                ends.get(call.result["id"], NEVER) < call.at:
            yield f"a duplicate of a job that was finished: {call}"


def counters_count(past, at_end):
    if at_end is None:
        return
    least = most = 0
    for call in past.calls:
        if call.params and call.params.get("semaphore") != "c":
            continue
        if call.error is not None:
            continue
        known = call.result is not None
        if call.method == "semaphore.release":
            most += 1
            least += known
        elif call.method == "semaphore.acquire":
            taken = known and call.result["acquired"]
            most -= taken
            least -= taken or not known
    free = at_end["counter"]["free"]
    if not least <= free <= most:
        yield f"the counter is {free}, and must be {least} to {most}"


def sessions_are_kept(past, grace):
    for who, at, pid in past.forgotten:
        if at < past.lives[pid].launch + grace * 1e9:
            yield f"the session of {who} was forgotten at {at}"


def nobody_is_cut_off(past):
    for who, at in past.cut_off:
        yield f"{who} lost its connection at {at}, and the daemon lived"


def nothing_is_left(past, at_end):
    del past
    if at_end is None:
        return
    for queue in at_end["queues"]:
        if any(queue["counts"].values()):
            yield f"left at the end: {queue}"
    if at_end["permits"]["free"] != at_end["permits"]["value"]:
        yield f"permits are held at the end: {at_end['permits']}"


def every_check(queues, permits, grace, at_end, leases_expire):
    """The checks, each with what it must know beside the history."""
    return {
        bodies_come_back_as_put: (), each_put_makes_one_job: (),
        finished_jobs_never_come_back: (), jobs_taken_are_handed_out_once: (),
        nothing_acknowledged_is_lost: (at_end is not None,),
        jobs_are_leased_to_one: (), leases_last: (leases_expire,),
        capacity_is_never_exceeded: (queues,),
        concurrency_is_never_exceeded: (queues,),
        semaphores_never_exceed_their_value: (permits,),
        producers_are_served_in_order: (),
        join_returns_when_all_is_finished: (), locks_have_one_holder: (),
        holders_can_release: (), barriers_release_all_or_none: (),
        numbers_grow: (), stages_pass_in_order: (), keys_are_of_one_job: (),
        counters_count: (at_end,), sessions_are_kept: (grace,),
        nobody_is_cut_off: (), nothing_is_left: (at_end,),
    }


def all_of(past, queues, permits, grace, at_end, leases_expire=False):
    """Everything that is wrong, each with the name of its check. `at_end`:
    what the daemon shows after the drain, None if there was none."""
    checks = every_check(queues, permits, grace, at_end, leases_expire)
    return [f"{check.__name__}: {text}" for check, more in checks.items()
            for text in itertools.islice(check(past, *more), 5)]
