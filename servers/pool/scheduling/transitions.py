"""Changes of phase that order something of a process: start, wake, drain, sleep, stop.

When to make one is the business of `scheduler.py` and `placement.py`.
"""

from typing import Protocol

from servers.pool.scheduling.instance import Instance, Phase, Reservation

UNLOAD = "(asked)"
"""What an instance drains for when nobody gets its slot: somebody asked for it to be unloaded."""


class Effects(Protocol):
    """What the state machine may do. Each call returns at once; results come back as events."""

    def start(self, name: str, generation: int) -> None:
        """Start a process; `ready` or `load_failed` comes back."""
        ...

    def stop(self, name: str, generation: int) -> None:
        """End the process; `stopped` comes back."""
        ...

    def sleep(self, name: str, generation: int) -> None:
        """Put the engine to sleep; `slept` comes back."""
        ...

    def wake(self, name: str, generation: int) -> None:
        """Wake the engine; `ready` or `load_failed` comes back."""
        ...

    def notify(self, reservation: Reservation) -> None:
        """A reservation that waited is granted or refused."""
        ...

    def record(self, event: str, model: str, **fields: object) -> None:
        """Log a decision."""
        ...

    def free_memory(self) -> int | None:
        """Bytes that may still be promised; None when nobody knows."""
        ...


class Transitions:
    """Each method changes one instance's phase and gives the order that goes with it."""

    def __init__(self, effects: Effects) -> None:
        self.effects = effects

    def start(self, instance: Instance, now: float) -> None:
        """Start the process, or wake it when it sleeps."""
        instance.unwanted_since = None
        if instance.phase is Phase.SLEEPING:
            self.effects.record("waking", instance.name, waiting=len(instance.queue))
            instance.enter(Phase.WAKING, now)
            self.effects.wake(instance.name, instance.generation)
            return
        instance.generation += 1
        self.effects.record("starting", instance.name, waiting=len(instance.queue))
        instance.enter(Phase.STARTING, now)
        self.effects.start(instance.name, instance.generation)

    def drain(self, instance: Instance, beneficiary: str, now: float) -> None:
        """Grant nothing more: when what runs has ended, `beneficiary` gets the slot."""
        self.effects.record("closing", instance.name, why=f"{beneficiary} starves")
        instance.enter(Phase.DRAINING, now)
        instance.draining_for = beneficiary

    def resume(self, instance: Instance, now: float) -> None:
        """End a drain; the caller grants what is free."""
        self.effects.record("reopened", instance.name)
        instance.enter(Phase.READY, now)
        instance.draining_for = None

    def release_slot(self, instance: Instance, why: str, now: float) -> None:
        """Give the slot up: asleep where the engine can, else stopped."""
        if (
            not instance.can_sleep
            or instance.phase not in (Phase.READY, Phase.DRAINING)
            or instance.draining_for == UNLOAD
        ):
            self.stop(instance, why, now)
            return
        self.effects.record("sleeping", instance.name, why=why)
        instance.enter(Phase.STOPPING, now)
        instance.falling_asleep, instance.draining_for = True, None
        self.effects.sleep(instance.name, instance.generation)

    def stop(self, instance: Instance, why: str, now: float) -> None:
        """End the process."""
        self.effects.record("stopping", instance.name, why=why)
        instance.stopping_from_sleep = instance.phase is Phase.SLEEPING
        instance.enter(Phase.STOPPING, now)
        instance.falling_asleep, instance.draining_for, instance.unwanted_since = False, None, None
        self.effects.stop(instance.name, instance.generation)
