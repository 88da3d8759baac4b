"""The scheduler alone, with time as an argument: its rows of the fault table, eviction, memory, sleep."""

import random

from servers.pool.scheduling.instance import OPEN_S, Phase
from tests.pool.machine import GIB, Machine


def ready(machine: Machine, *names: str) -> None:
    for name in names:
        machine.scheduler.load(name, machine.now)
        machine.report(name)


def test_fault_01_a_thousand_requests_start_one_load_and_those_beyond_the_queue_are_told_at_once():
    machine = Machine(queue_per_model=64, queue_total=256)
    tickets = [machine.request("a") for _ in range(1000)]
    assert machine.world.starts == {"a": 1}
    refused = [ticket.refused for ticket in tickets if ticket.refused]
    assert len(refused) == 936
    assert {(exc.status, exc.code) for exc in refused} == {(429, "queue_full")}
    assert all((exc.retry_after or 0) >= 1 for exc in refused)
    machine.settle_down()


def test_fault_02_streams_are_never_cut_for_a_waiter_that_gives_up_at_the_bound():
    machine = Machine()
    ready(machine, "a", "b")
    busy = [machine.request("a"), machine.request("b")]
    waiter = machine.request("c")
    for _ in range(100):
        machine.tick(0.1)
    assert waiter.refused is not None
    assert (waiter.refused.status, waiter.refused.code) == (503, "queue_timeout")
    assert isinstance(waiter.refused.retry_after, int) and waiter.refused.retry_after >= 1
    assert all(ticket.granted for ticket in busy) and machine.world.orders == {}
    assert machine.instances["a"].phase is Phase.READY, (
        "the door that was closed for the waiter is open again"
    )


def test_fault_03_a_request_around_the_moment_of_idle_unload_is_served():
    for seed in range(1000):
        source = random.Random(seed)
        machine = Machine()
        ready(machine, "a")
        machine.leave(machine.request("a"))
        machine.tick(machine.limits.idle_s - 0.05)
        for _ in range(source.randrange(12)):
            machine.tick(0.1)
            if machine.world.orders and source.random() < 0.3:
                machine.report("a")
        ticket = machine.request("a")
        for _ in range(20):
            if ticket.granted:
                break
            machine.tick(0.1)
            if machine.world.orders:
                machine.report("a")
        assert ticket.granted, f"seed {seed}"


def test_fault_04_a_model_is_busy_from_the_moment_of_the_grant():
    machine = Machine(max_loaded=1)
    first = machine.request("a")
    second = machine.request("b")
    machine.report("a")
    assert first.granted and machine.instances["a"].phase is Phase.READY
    machine.tick(0.0)
    assert not machine.world.orders, "a is not evicted before its own request is proxied"
    machine.leave(first)
    assert machine.world.orders == {"a": ("stop", 1)}
    machine.report("a")
    machine.report("b")
    assert second.granted


def test_fault_05_a_starving_model_gets_a_slot_although_the_others_are_never_idle():
    machine = Machine(max_loaded=2)
    ready(machine, "a", "b")
    running = [machine.request("a"), machine.request("b")]
    waiter = machine.request("c")
    for _ in range(80):
        machine.tick(0.1)
        for name in list(machine.world.orders):
            machine.report(name)
        # Each answer is followed by the next request before it ends: there is no idle moment.
        follow = [machine.request(ticket.instance) for ticket in running if ticket.granted]
        for ticket in running:
            machine.leave(ticket)
        running = follow or running
        running = [ticket for ticket in running if not ticket.left]
        if waiter.granted:
            break
    assert waiter.granted


def test_fault_08_a_model_that_fails_to_load_is_tried_three_times_and_evicts_nobody_for_it():
    machine = Machine()
    starts: list[float] = []
    for _ in range(600):
        ticket = machine.request("a")
        if "a" in machine.world.orders:
            starts.append(machine.now)
            machine.report("a", well=False)
            assert ticket.refused is not None and ticket.refused.message == "a broke"
        assert ticket.refused is not None and ticket.refused.status == 503
        assert (ticket.refused.retry_after or 0) >= 1
        machine.leave(ticket)
        if len(starts) < 3:
            machine.tick(0.5)
        else:
            machine.tick(0.4)
    assert len([at for at in starts if at < starts[0] + OPEN_S - 1]) == 3
    ready(machine, "b", "c")
    machine.instances["a"].until = 0.0
    waiter = machine.request("a")
    machine.tick(0.1)
    assert machine.instances["b"].phase is machine.instances["c"].phase is Phase.READY
    machine.leave(waiter)


def test_fault_09_a_load_that_never_ends_is_stopped_and_its_waiters_hear_504():
    machine = Machine(load_s=20.0)
    ticket = machine.request("a")
    machine.tick(20.0)
    assert ticket.refused is not None and ticket.refused.status == 504
    assert machine.world.orders["a"][0] == "stop"
    machine.report("a")
    assert machine.instances["a"].phase is Phase.FAILED


def test_fault_13_a_waiter_that_leaves_is_forgotten_and_its_load_is_cancelled_when_nobody_wants_it():
    machine = Machine()
    ticket = machine.request("a")
    machine.leave(ticket)
    assert machine.scheduler.queues.queued == 0 and not machine.instances["a"].in_flight
    machine.tick(1.0)
    assert machine.world.orders["a"][0] == "start", "it may still come back"
    machine.tick(5.0)
    assert machine.world.orders["a"][0] == "stop"


def test_a_load_nobody_waits_for_gives_its_slot_at_once_to_a_model_that_needs_it():
    machine = Machine(max_loaded=1)
    machine.leave(machine.request("a"))
    machine.request("b")
    assert machine.world.orders == {"a": ("stop", 1)}


def test_fault_18_idle_time_counts_from_the_end_of_the_last_request():
    machine = Machine(idle_s=5.0)
    ready(machine, "a")
    stream = machine.request("a")
    for _ in range(20):
        machine.tick(1.0)
    assert machine.instances["a"].phase is Phase.READY
    machine.leave(stream)
    machine.tick(4.9)
    assert machine.instances["a"].phase is Phase.READY
    machine.tick(0.2)
    assert machine.instances["a"].phase is Phase.STOPPING


def test_the_victim_is_the_model_that_is_cheapest_to_lose():
    machine = Machine(max_loaded=2)
    ready(machine, "a", "b")
    for name, seconds in (("a", 60.0), ("b", 2.0)):
        machine.instances[name].load_s = seconds
        machine.leave(machine.request(name))
    machine.tick(11.0)
    machine.request("c")
    assert list(machine.world.orders) == ["b"]


def test_a_pinned_model_is_never_evicted_and_never_idle():
    machine = Machine(max_loaded=2, pinned="a")
    ready(machine, "a", "b")
    machine.tick(11.0)
    machine.request("c")
    assert list(machine.world.orders) == ["b"]
    machine.tick(1000.0)
    assert machine.instances["a"].phase is Phase.READY


def test_a_model_that_does_not_fit_is_refused_and_one_that_fits_after_an_eviction_waits_for_the_memory():
    machine = Machine(memory=2 * GIB, max_loaded=3)
    machine.instances["c"].need = machine.world.needs["c"] = 3 * GIB
    refused = machine.request("c").refused
    assert refused is not None and "3.0 GiB" in refused.message
    ready(machine, "a", "b")
    machine.tick(11.0)
    waiter = machine.request("d")
    assert [kind for kind, _ in machine.world.orders.values()] == ["stop"], "a slot is free but memory is not"
    machine.report(next(iter(machine.world.orders)))
    machine.report("d")
    assert waiter.granted


def test_a_model_that_can_sleep_is_put_to_sleep_and_woken():
    machine = Machine(max_loaded=1, sleeps=True)
    ready(machine, "a")
    machine.tick(11.0)
    machine.request("b")
    assert machine.world.orders == {"a": ("sleep", 1)}
    machine.report("a")
    assert machine.instances["a"].phase is Phase.SLEEPING
    machine.report("b")
    again = machine.request("a")
    machine.leave(machine.tickets[0])
    machine.report("b")
    assert machine.world.orders["a"] == ("wake", 1)
    machine.report("a")
    assert again.granted


def test_an_engine_that_sleeps_badly_is_stopped_instead():
    machine = Machine(max_loaded=1, sleeps=True)
    ready(machine, "a")
    machine.tick(11.0)
    machine.request("b")
    machine.report("a", well=False)
    assert machine.world.orders == {"a": ("stop", 1)}


def test_two_silences_in_a_row_restart_an_engine():
    machine = Machine()
    ready(machine, "a")
    for _ in range(2):
        ticket = machine.request("a")
        machine.scheduler.silent(ticket, machine.now)
        machine.leave(ticket)
    assert machine.world.orders == {"a": ("stop", 1)}
