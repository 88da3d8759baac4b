"""The scheduler alone, with time as an argument: its rows of the fault table, eviction, memory, sleep."""

import random

import pytest

from servers.pool.scheduling.instance import OPEN_S, Phase
from tests.pool.simulation import GIB, Simulation

pytestmark = pytest.mark.pure


def ready(simulation: Simulation, *names: str) -> None:
    for name in names:
        simulation.scheduler.load(name, simulation.now)
        simulation.report(name)


def test_fault_01_a_thousand_requests_start_one_load_and_those_beyond_the_queue_are_told_at_once():
    simulation = Simulation(queue_per_model=64, queue_total=256)
    reservations = [simulation.request("a") for _ in range(1000)]
    assert simulation.effects.starts == {"a": 1}
    refused = [reservation.refused for reservation in reservations if reservation.refused]
    assert len(refused) == 936
    assert {(exc.status, exc.code) for exc in refused} == {(429, "queue_full")}
    assert all((exc.retry_after or 0) >= 1 for exc in refused)
    simulation.settle_down()


def test_fault_02_streams_are_never_cut_for_a_waiter_that_gives_up_at_the_bound():
    simulation = Simulation()
    ready(simulation, "a", "b")
    busy = [simulation.request("a"), simulation.request("b")]
    waiter = simulation.request("c")
    for _ in range(100):
        simulation.tick(0.1)
    assert waiter.refused is not None
    assert (waiter.refused.status, waiter.refused.code) == (503, "queue_timeout")
    assert isinstance(waiter.refused.retry_after, int) and waiter.refused.retry_after >= 1
    assert all(reservation.granted for reservation in busy) and simulation.effects.orders == {}
    assert simulation.instances["a"].phase is Phase.READY, (
        "the door that was closed for the waiter is open again"
    )


def test_fault_03_a_request_around_the_moment_of_idle_unload_is_served():
    for seed in range(1000):
        source = random.Random(seed)
        simulation = Simulation()
        ready(simulation, "a")
        simulation.leave(simulation.request("a"))
        simulation.tick(simulation.limits.idle_s - 0.05)
        for _ in range(source.randrange(12)):
            simulation.tick(0.1)
            if simulation.effects.orders and source.random() < 0.3:
                simulation.report("a")
        reservation = simulation.request("a")
        for _ in range(20):
            if reservation.granted:
                break
            simulation.tick(0.1)
            if simulation.effects.orders:
                simulation.report("a")
        assert reservation.granted, f"seed {seed}"


def test_fault_04_a_model_is_busy_from_the_moment_of_the_grant():
    simulation = Simulation(max_loaded=1)
    first = simulation.request("a")
    second = simulation.request("b")
    simulation.report("a")
    assert first.granted and simulation.instances["a"].phase is Phase.READY
    simulation.tick(0.0)
    assert not simulation.effects.orders, "a is not evicted before its own request is proxied"
    simulation.leave(first)
    assert simulation.effects.orders == {"a": ("stop", 1)}
    simulation.report("a")
    simulation.report("b")
    assert second.granted


def test_fault_05_a_starving_model_gets_a_slot_although_the_others_are_never_idle():
    simulation = Simulation(max_loaded=2)
    ready(simulation, "a", "b")
    running = [simulation.request("a"), simulation.request("b")]
    waiter = simulation.request("c")
    for _ in range(80):
        simulation.tick(0.1)
        for name in list(simulation.effects.orders):
            simulation.report(name)
        # Each answer is followed by the next request before it ends: there is no idle moment.
        follow = [simulation.request(reservation.instance) for reservation in running if reservation.granted]
        for reservation in running:
            simulation.leave(reservation)
        running = follow or running
        running = [reservation for reservation in running if not reservation.released]
        if waiter.granted:
            break
    assert waiter.granted


def test_fault_08_a_model_that_fails_to_load_is_tried_three_times_and_evicts_nobody_for_it():
    simulation = Simulation()
    starts: list[float] = []
    for _ in range(600):
        reservation = simulation.request("a")
        if "a" in simulation.effects.orders:
            starts.append(simulation.now)
            simulation.report("a", well=False)
            assert reservation.refused is not None and reservation.refused.message == "a broke"
        assert reservation.refused is not None and reservation.refused.status == 503
        assert (reservation.refused.retry_after or 0) >= 1
        simulation.leave(reservation)
        if len(starts) < 3:
            simulation.tick(0.5)
        else:
            simulation.tick(0.4)
    assert len([at for at in starts if at < starts[0] + OPEN_S - 1]) == 3
    ready(simulation, "b", "c")
    simulation.instances["a"].retry_at = 0.0
    waiter = simulation.request("a")
    simulation.tick(0.1)
    assert simulation.instances["b"].phase is simulation.instances["c"].phase is Phase.READY
    simulation.leave(waiter)


def test_fault_09_a_load_that_never_ends_is_stopped_and_its_waiters_hear_504():
    simulation = Simulation(load_s=20.0)
    reservation = simulation.request("a")
    simulation.tick(20.0)
    assert reservation.refused is not None and reservation.refused.status == 504
    assert simulation.effects.orders["a"][0] == "stop"
    simulation.report("a")
    assert simulation.instances["a"].phase is Phase.FAILED


def test_fault_13_a_waiter_that_leaves_is_forgotten_and_its_load_is_cancelled_when_nobody_wants_it():
    simulation = Simulation()
    reservation = simulation.request("a")
    simulation.leave(reservation)
    assert simulation.scheduler.queues.queued == 0 and not simulation.instances["a"].in_flight
    simulation.tick(1.0)
    assert simulation.effects.orders["a"][0] == "start", "it may still come back"
    simulation.tick(5.0)
    assert simulation.effects.orders["a"][0] == "stop"


def test_a_load_nobody_waits_for_gives_its_slot_at_once_to_a_model_that_needs_it():
    simulation = Simulation(max_loaded=1)
    simulation.leave(simulation.request("a"))
    simulation.request("b")
    assert simulation.effects.orders == {"a": ("stop", 1)}


def test_fault_18_idle_time_counts_from_the_end_of_the_last_request():
    simulation = Simulation(idle_s=5.0)
    ready(simulation, "a")
    stream = simulation.request("a")
    for _ in range(20):
        simulation.tick(1.0)
    assert simulation.instances["a"].phase is Phase.READY
    simulation.leave(stream)
    simulation.tick(4.9)
    assert simulation.instances["a"].phase is Phase.READY
    simulation.tick(0.2)
    assert simulation.instances["a"].phase is Phase.STOPPING


def test_the_victim_is_the_model_that_is_cheapest_to_lose():
    simulation = Simulation(max_loaded=2)
    ready(simulation, "a", "b")
    for name, seconds in (("a", 60.0), ("b", 2.0)):
        simulation.instances[name].load_s = seconds
        simulation.leave(simulation.request(name))
    simulation.tick(11.0)
    simulation.request("c")
    assert list(simulation.effects.orders) == ["b"]


def test_a_pinned_model_is_never_evicted_and_never_idle():
    simulation = Simulation(max_loaded=2, pinned="a")
    ready(simulation, "a", "b")
    simulation.tick(11.0)
    simulation.request("c")
    assert list(simulation.effects.orders) == ["b"]
    simulation.tick(1000.0)
    assert simulation.instances["a"].phase is Phase.READY


def test_a_model_that_does_not_fit_is_refused_and_one_that_fits_after_an_eviction_waits_for_the_memory():
    simulation = Simulation(memory=2 * GIB, max_loaded=3)
    simulation.instances["c"].memory_bytes = simulation.effects.needs["c"] = 3 * GIB
    refused = simulation.request("c").refused
    assert refused is not None and "3.0 GiB" in refused.message
    ready(simulation, "a", "b")
    simulation.tick(11.0)
    waiter = simulation.request("d")
    assert [kind for kind, _ in simulation.effects.orders.values()] == ["stop"], (
        "a slot is free but memory is not"
    )
    simulation.report(next(iter(simulation.effects.orders)))
    simulation.report("d")
    assert waiter.granted


def test_a_model_that_can_sleep_is_put_to_sleep_and_woken():
    simulation = Simulation(max_loaded=1, sleeps=True)
    ready(simulation, "a")
    simulation.tick(11.0)
    simulation.request("b")
    assert simulation.effects.orders == {"a": ("sleep", 1)}
    simulation.report("a")
    assert simulation.instances["a"].phase is Phase.SLEEPING
    simulation.report("b")
    again = simulation.request("a")
    simulation.leave(simulation.reservations[0])
    simulation.report("b")
    assert simulation.effects.orders["a"] == ("wake", 1)
    simulation.report("a")
    assert again.granted


def test_an_engine_that_sleeps_badly_is_stopped_instead():
    simulation = Simulation(max_loaded=1, sleeps=True)
    ready(simulation, "a")
    simulation.tick(11.0)
    simulation.request("b")
    simulation.report("a", well=False)
    assert simulation.effects.orders == {"a": ("stop", 1)}


def test_two_silences_in_a_row_restart_an_engine():
    simulation = Simulation()
    ready(simulation, "a")
    for _ in range(2):
        reservation = simulation.request("a")
        simulation.scheduler.fell_silent(reservation, simulation.now)
        simulation.leave(reservation)
    assert simulation.effects.orders == {"a": ("stop", 1)}
