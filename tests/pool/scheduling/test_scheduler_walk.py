"""The scheduler alone, with time as an argument: walks that look for a history which breaks an invariant."""

import os
import random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.pool.simulation import GIB, Simulation

pytestmark = pytest.mark.pure

STEPS = 300
names = st.sampled_from(Simulation.MODELS)
numbers = st.integers(0, 31)
"""Which of those that are there: cheaper than a choice among them, and shrinks as well."""


class Walk(RuleBasedStateMachine):
    """Hypothesis looks for the shortest history that breaks an invariant of `Simulation`."""

    @initialize(
        memory=st.sampled_from((None, GIB, 2 * GIB, 5 * GIB)),
        sleeps=st.booleans(),
        pinned=st.sampled_from(("", "a")),
    )
    def begin(self, memory, sleeps, pinned):
        self.simulation = Simulation(memory=memory, sleeps=sleeps, pinned=pinned)

    @rule(name=names)
    def request(self, name):
        self.simulation.request(name)

    @precondition(lambda self: self.simulation.reservations)
    @rule(which=numbers)
    def leave(self, which):
        self.simulation.leave(self.simulation.reservations[which % len(self.simulation.reservations)])

    @precondition(lambda self: self.simulation.effects.orders)
    @rule(which=numbers, well=st.booleans())
    def report(self, which, well):
        orders = sorted(self.simulation.effects.orders)
        self.simulation.report(orders[which % len(orders)], well=well)

    @rule(name=names, verb=st.sampled_from(("load", "unload")))
    def ask(self, name, verb):
        getattr(self.simulation.scheduler, verb)(name, self.simulation.now)

    @rule(name=st.sampled_from(Simulation.MODELS[:-1]))
    def die(self, name):
        self.simulation.die(name)

    @rule(seconds=st.sampled_from((0.0, 0.1, 1.0, 5.0, 12.0)))
    def tick(self, seconds):
        self.simulation.tick(seconds)
        self.simulation.check_bounds()

    @invariant()
    def holds(self):
        if hasattr(self, "simulation"):
            self.simulation.check()

    def teardown(self):
        if hasattr(self, "simulation"):
            self.simulation.settle_down()


class LongWalk(Walk):
    """The same for longer."""


def steps(count: int) -> settings:
    """Settings that lead to about `count` steps; most histories are a little shorter than they may be."""
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(
        max_examples=count // 85, stateful_step_count=100, deadline=None, suppress_health_check=checks
    )


# The same histories each time: what is new is found by the hundred thousand random steps and by the soak.
Walk.TestCase.settings = steps(10_000)
LongWalk.TestCase.settings = steps(1_000_000)
TestWalk = pytest.mark.timeout(900)(Walk.TestCase)
TestLongWalk = pytest.mark.soak(pytest.mark.timeout(7200)(LongWalk.TestCase))


def walk(seed: int) -> None:
    source = random.Random(seed)
    memory = source.choice((None, None, 2 * GIB, GIB, 5 * GIB))
    simulation = Simulation(memory=memory, sleeps=source.random() < 0.3, pinned=source.choice(("", "", "a")))
    try:
        simulation.drive(source, STEPS)
    except AssertionError as exc:
        raise AssertionError(f"seed {seed}: {exc}") from exc


@pytest.mark.timeout(900)
def test_a_hundred_thousand_random_steps_break_no_invariant():
    first = int.from_bytes(os.urandom(4))
    for seed in range(first, first + 100_000 // STEPS):
        walk(seed)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_million_random_steps_break_no_invariant():
    first = int.from_bytes(os.urandom(4))
    for seed in range(first, first + 1_000_000 // STEPS):
        walk(seed)
