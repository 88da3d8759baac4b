"""`/health` and `/stats`: what is stuck, what runs, waits and was served. It only reads."""

import time
from collections.abc import Iterator
from importlib.metadata import version

from servers.pool.catalog.catalog import Catalog, ModelSpec
from servers.pool.consensus.stats import ConsensusStats
from servers.pool.counters import Counters
from servers.pool.decisions import Decisions
from servers.pool.engines import process
from servers.pool.engines.availability import Availability
from servers.pool.engines.backends import instance_name
from servers.pool.engines.lifecycle import Lifecycle
from servers.pool.engines.memory import Memory
from servers.pool.pool import Clock
from servers.pool.scheduling.instance import LOADING, Instance, Phase
from servers.pool.scheduling.scheduler import Scheduler
from tools.schema import JsonObject

SLACK_S = 5.0
STOP_S = 30.0


class Status:
    """One pool as it is now."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        availability: Availability,
        scheduler: Scheduler,
        lifecycle: Lifecycle,
        memory: Memory,
        decisions: Decisions,
        clock: Clock,
        counters: Counters,
        consensus: ConsensusStats,
    ) -> None:
        self.catalog, self.availability = catalog, availability
        self.scheduler, self.lifecycle, self.memory = scheduler, lifecycle, memory
        self.decisions, self.clock = decisions, clock
        self.counters, self.consensus = counters, consensus
        self.version = version("capibara6")

    def health(self) -> JsonObject:
        """`down` when something is stuck, with what in `problems`; `degraded` when a model failed."""
        now = time.monotonic()
        instances = self.scheduler.instances.values()
        problems = list(self._stuck(now))
        failed = [instance.name for instance in instances if instance.retry_at > now]
        oldest = min((instance.waiting_since for instance in instances), default=now)
        return {
            "status": "down" if problems else "degraded" if failed else "ok",
            "version": self.version,
            "problems": problems,
            "failed_models": failed,
            "oldest_waiter_s": round(max(0.0, now - oldest), 1),
        }

    def stats(self) -> JsonObject:
        """Per model and in all: what runs, waits and was served, and the last decisions with reasons."""
        now = time.monotonic()
        instances = self.scheduler.instances.values()
        used = sum(1 for instance in instances if instance.managed and instance.holds_slot)
        return {
            "slots": {"total": self.scheduler.limits.max_loaded, "used": used},
            "queued": self.scheduler.queues.queued,
            "in_flight": sum(len(instance.in_flight) for instance in instances),
            "repeats": self.counters.retries,
            "fallbacks": self.counters.fallbacks,
            "memory_free": self.memory.free(),
            "consensus": self.consensus.to_json(),
            "models": {spec.id: self._row(spec, now) for spec in self.catalog.models.values()},
            "events": list(self.decisions.kept),
        }

    def _stuck(self, now: float) -> Iterator[str]:
        bounds = self.scheduler.limits
        if now - self.clock.ticked_at > SLACK_S:
            yield f"the pool's clock stands still for {now - self.clock.ticked_at:.0f} s"
        for instance in self.scheduler.instances.values():
            name, phase, for_s = instance.name, instance.phase, now - instance.phase_since
            if phase not in LOADING and now - instance.waiting_since > bounds.queue_wait_s + SLACK_S:
                yield f"{name}: somebody waits for {now - instance.waiting_since:.0f} s"
            if phase in LOADING and for_s > bounds.load_s + SLACK_S:
                yield f"{name}: loading for {for_s:.0f} s"
            if phase is Phase.STOPPING and for_s > bounds.unload_grace_s + STOP_S:
                yield f"{name}: stopping for {for_s:.0f} s"
            ready = instance.managed and phase is Phase.READY and for_s > SLACK_S
            if ready and not self._lives(instance):
                yield f"{name}: ready without a process"

    def _lives(self, instance: Instance) -> bool:
        engine = self.lifecycle.engines.get(instance.name)
        return engine is not None and engine.process.alive

    def _row(self, spec: ModelSpec, now: float) -> JsonObject:
        available = self.availability.of(spec)
        backend = available.backend
        instance = self.scheduler.instances[instance_name(spec, backend) if backend else spec.engine]
        engine, counts = self.lifecycle.engines.get(spec.engine), self.counters.of(spec.id)
        used_at = counts.last_used_at
        return {
            "state": str(instance.phase) if instance.managed else "remote" if backend else "missing",
            "backend": available.backend_name,
            "reason": available.reason or None,
            "pid": engine_pid(engine.process.pid) if engine else None,
            "port": int(engine.endpoint.url.rpartition(":")[2]) if engine else None,
            "in_flight": len(instance.in_flight),
            "queued": len(instance.queue),
            "loads": instance.loads,
            "load_seconds": round(instance.load_s, 3),
            "memory": instance.memory_bytes,
            "evictions": instance.evictions,
            "failures": len(instance.failed_at),
            "until_s": round(max(0.0, instance.retry_at - now), 1),
            "cause": instance.last_error.message if instance.last_error else None,
            "tokens_per_second": round(counts.speed, 1),
            "answer_seconds": round(counts.answer_s, 3),
            "first_token_seconds": round(counts.first_s, 3),
            "last_used_s": None if used_at is None else round(now - used_at, 1),
            "pinned": instance.pinned,
            "requests": counts.requests,
            "failed_requests": counts.failures,
            "prompt_tokens": counts.prompt_tokens,
            "completion_tokens": counts.completion_tokens,
            "estimated_answers": counts.estimated,
        }


def engine_pid(watchdog: int) -> int:
    """The engine's own process under its watchdog."""
    return next(iter(process.children(watchdog)), watchdog)
