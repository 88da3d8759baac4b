"""A simulated scheduler: its effects only remember what was ordered and who was notified."""

import random
from typing import Any

from servers.pool.scheduling.instance import LOADING, Instance, Phase, Reservation
from servers.pool.scheduling.scheduler import Scheduler
from tools.errors import ModelUnavailable
from tools.settings import Pool as Limits

GIB = 2**30


class FakeEffects:
    """Effects that keep a list of what processes are asked to do; memory is simple arithmetic."""

    def __init__(self, memory: int | None) -> None:
        self.memory = memory
        self.taken: dict[str, int] = {}
        self.orders: dict[str, tuple[str, int]] = {}
        self.settled: list[Reservation] = []
        self.starts: dict[str, int] = {}
        self.needs: dict[str, int] = {}

    def start(self, name: str, generation: int) -> None:
        assert name not in self.orders, f"{name} is started while {self.orders[name]} runs"
        assert name not in self.taken, f"{name} is started while its process lives"
        self.orders[name] = ("start", generation)
        self.taken[name] = self.needs.get(name, 0)
        self.starts[name] = self.starts.get(name, 0) + 1

    def stop(self, name: str, generation: int) -> None:
        assert self.orders.get(name, ("", 0))[0] != "stop", f"{name} is stopped twice"
        self.orders[name] = ("stop", generation)

    def sleep(self, name: str, generation: int) -> None:
        assert name not in self.orders
        self.orders[name] = ("sleep", generation)

    def wake(self, name: str, generation: int) -> None:
        assert name not in self.orders
        self.orders[name] = ("wake", generation)

    def notify(self, reservation: Reservation) -> None:
        assert reservation not in self.settled, "a reservation is settled once"
        self.settled.append(reservation)

    def record(self, event: str, model: str, **fields: object) -> None: ...

    def free_memory(self) -> int | None:
        return None if self.memory is None else self.memory - sum(self.taken.values())


class Simulation:
    """One scheduler, its effects, and the rules that must hold after every event."""

    MODELS = ("a", "b", "c", "d", "e", "far")

    def __init__(
        self, *, memory: int | None = None, sleeps: bool = False, pinned: str = "", **limits: Any
    ) -> None:
        sizes = {"max_loaded": 2, "queue_per_model": 4, "queue_total": 9}
        bounds = {**sizes, "queue_wait_s": 9.0, "load_s": 20.0, "idle_s": 30.0, **limits}
        self.effects = FakeEffects(memory)
        self.now = 1_000.0
        self.sleeps = sleeps
        instances = [
            Instance(n, 2, n != "far", bounds["idle_s"], pinned=n == pinned, memory_bytes=GIB)
            for n in self.MODELS
        ]
        self.effects.needs = {
            instance.name: instance.memory_bytes for instance in instances if instance.managed
        }
        self.limits = Limits(**bounds)
        self.scheduler = Scheduler(instances, self.limits, self.effects)
        self.reservations: list[Reservation] = []
        self.streaming: dict[Reservation, str] = {}

    @property
    def instances(self) -> dict[str, Instance]:
        return self.scheduler.instances

    # Events.

    def request(self, name: str) -> Reservation:
        reservation = self.scheduler.request(name, self.now)
        self.reservations.append(reservation)
        return reservation

    def leave(self, reservation: Reservation) -> None:
        self.scheduler.release(reservation, self.now)
        self.reservations.remove(reservation)

    def report(self, name: str, *, well: bool = True) -> None:
        """The order that runs for `name` comes to its end."""
        kind, generation = self.effects.orders.pop(name)
        match kind, well:
            case "start", True:
                self.scheduler.ready(name, generation, self.now, can_sleep=self.sleeps)
            case "wake", True:
                self.scheduler.ready(name, generation, self.now)
            case "start" | "wake", False:
                self.effects.taken.pop(name, None)
                cause = ModelUnavailable(f"{name} broke", source="engine")
                self.scheduler.load_failed(name, generation, cause, self.now)
            case "stop", _:
                self.effects.taken.pop(name, None)
                self.scheduler.stopped(name, generation, self.now)
            case "sleep", _:
                self.scheduler.slept(name, generation, self.now, asleep=well)

    def die(self, name: str) -> None:
        instance = self.instances[name]
        cause = ModelUnavailable("killed", source="engine")
        if instance.phase in (Phase.READY, Phase.DRAINING, Phase.SLEEPING):
            self.scheduler.died(name, instance.generation, cause, self.now)

    def tick(self, seconds: float) -> None:
        self.now += seconds
        self.scheduler.tick(self.now)

    # What must hold.

    def check(self) -> None:
        instances = self.instances.values()
        managed = [instance for instance in instances if instance.managed]
        assert sum(instance.holds_slot for instance in managed) <= self.limits.max_loaded
        assert (
            self.scheduler.queues.queued
            == sum(len(instance.queue) for instance in instances)
            <= self.limits.queue_total
        )
        if self.effects.memory is not None:
            assert sum(self.effects.taken.values()) <= self.effects.memory
        for instance in instances:
            assert len(instance.queue) <= self.limits.queue_per_model
            assert len(instance.in_flight) <= instance.concurrency
            if instance.in_flight:
                assert instance.phase in (Phase.READY, Phase.DRAINING), (
                    f"{instance.name} works while {instance.phase}"
                )
            if instance.managed:
                self._check_orders(instance)
            for reservation in instance.queue:
                assert not reservation.granted and reservation.refused is None and not reservation.released
        for reservation in self.reservations:
            assert not (reservation.granted and reservation.refused)
            waiting = reservation in self.instances[reservation.instance].queue
            assert reservation.granted or reservation.refused is not None or waiting, (
                "a reservation was forgotten"
            )

    def _check_orders(self, instance: Instance) -> None:
        running = self.effects.orders.get(instance.name, ("nothing", 0))[0]
        expected = {
            Phase.STARTING: ("start",), Phase.WAKING: ("wake",), Phase.STOPPING: ("stop", "sleep"),
        }.get(instance.phase, ("nothing",))  # fmt: skip
        assert running in expected, f"{instance.name} is {instance.phase} while {running} runs"

    def check_bounds(self) -> None:
        """After a tick nobody has waited longer than the bound."""
        for instance in self.instances.values():
            if instance.phase not in LOADING:
                assert self.now - instance.waiting_since < self.limits.queue_wait_s
            else:
                assert self.now - instance.phase_since < self.limits.load_s

    def settle_down(self) -> None:
        """With effects that work everybody is answered, and nothing stays stuck."""
        for _ in range(400):
            for name in list(self.effects.orders):
                self.report(name)
            for reservation in list(self.reservations):
                if reservation.granted or reservation.refused is not None:
                    self.leave(reservation)
            self.tick(1.0)
            self.check()
            if not self.reservations and not self.effects.orders:
                break
        assert not self.reservations, f"never answered: {self.reservations}"
        assert not self.effects.orders
        assert self.scheduler.queues.queued == 0

    def drive(self, source: random.Random, steps: int) -> None:
        """Random events; the caller names the seed when this fails."""
        for _ in range(steps):
            self.step(source)
            self.check()
        self.settle_down()

    def step(self, source: random.Random) -> None:
        kind = source.random()
        if kind < 0.35:
            self.request(source.choice(self.MODELS))
        elif kind < 0.55 and self.reservations:
            self.leave(source.choice(self.reservations))
        elif kind < 0.75 and self.effects.orders:
            self.report(source.choice(sorted(self.effects.orders)), well=source.random() < 0.8)
        elif kind < 0.79:
            self.die(source.choice(self.MODELS[:-1]))
        elif kind < 0.81:
            self.scheduler.load(source.choice(self.MODELS), self.now)
        elif kind < 0.83:
            self.scheduler.unload(source.choice(self.MODELS), self.now)
        elif kind < 0.85 and self.reservations:
            self.scheduler.fell_silent(source.choice(self.reservations), self.now)
        else:
            self.tick(source.choice((0.0, 0.1, 1.0, 5.0, 12.0)))
            self.check_bounds()
