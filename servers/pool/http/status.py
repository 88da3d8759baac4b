"""What the pool says about itself: models, health that can fail, statistics, metrics. It only reads."""

import time
from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from servers.pool.catalog.catalog import VIRTUAL, ModelSpec
from servers.pool.counters import BOUNDS_S, Count
from servers.pool.engines import process
from servers.pool.pool import Pool, instance_name
from servers.pool.scheduling.instance import LOADING, Instance, Phase

SLACK_S = 5.0
STOP_S = 30.0


def models(pool: Pool) -> list[dict[str, Any]]:
    """What `/v1/models` lists: the catalogue, and `auto` when it has one."""
    described = [model(pool, spec) for spec in pool.catalog.models.values()]
    return described + [virtual(pool, name) for name in VIRTUAL if virtual_is_there(pool, name)]


def model(pool: Pool, spec: ModelSpec) -> dict[str, Any]:
    """One item of `/v1/models`; `reason` says why a model is not available and how to get it."""
    engine = pool.availability.engine(spec)
    return {
        **_head(pool, spec.id),
        "domain": spec.domain,
        "description": spec.description,
        "status": _status(pool, spec, available=engine.kind is not None),
        "available": engine.kind is not None,
        "reason": engine.reason or None,
        "backend": engine.kind,
    }


ABOUT = {
    "auto": "Elige el modelo que cada pregunta merece",
    "consensus": "Pregunta a varios modelos y da una sola respuesta mejor",
}


def virtual_is_there(pool: Pool, name: str) -> bool:
    """Whether the catalogue has the virtual model."""
    return getattr(pool.catalog, name, None) is not None


def virtual(pool: Pool, name: str) -> dict[str, Any]:
    """A model that is a way of choosing or asking others."""
    said = {
        "domain": "virtual",
        "description": ABOUT[name],
        "status": "available",
        "available": True,
        "reason": None,
    }
    return {**_head(pool, name), **said, "backend": None}


def health(pool: Pool) -> dict[str, Any]:
    """`down` when something is stuck, with what in `problems`; `degraded` when a model failed."""
    now = time.monotonic()
    problems = list(_stuck(pool, now))
    failed = [instance.name for instance in pool.scheduler.instances.values() if instance.retry_at > now]
    status = "down" if problems else "degraded" if failed else "ok"
    oldest = min((instance.waiting_since for instance in pool.scheduler.instances.values()), default=now)
    return {
        "status": status,
        "problems": problems,
        "failed_models": failed,
        "oldest_waiter_s": round(max(0.0, now - oldest), 1),
    }


def stats(pool: Pool) -> dict[str, Any]:
    """Per model and in all: what runs, waits and was served, and the last decisions with their reasons."""
    now = time.monotonic()
    instances = pool.scheduler.instances
    used = sum(1 for instance in instances.values() if instance.managed and instance.holds_slot)
    return {
        "slots": {"total": pool.settings.pool.max_loaded, "used": used},
        "queued": pool.scheduler.queues.queued,
        "in_flight": sum(len(instance.in_flight) for instance in instances.values()),
        "repeats": pool.meter.repeats,
        "fallbacks": pool.meter.fallbacks,
        "memory_free": pool.memory.free(),
        "consensus": pool.consensus.shown(),
        "models": {spec.id: _row(pool, spec, now) for spec in pool.catalog.models.values()},
        "events": list(pool.events.kept),
    }


def metrics(pool: Pool) -> bytes:
    """Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Collector(pool))  # type: ignore[arg-type]
    return generate_latest(registry)


def _head(pool: Pool, name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": pool.since, "owned_by": "capibara6"}


def _status(pool: Pool, spec: ModelSpec, *, available: bool) -> str:
    instance = pool.scheduler.instances[spec.id]
    if not available or instance.retry_at > time.monotonic():
        return "failed"
    if spec.backend == "extractive" or (instance.managed and instance.phase in (Phase.READY, Phase.DRAINING)):
        return "loaded"
    return "loading" if instance.phase in LOADING else "available"


def _stuck(pool: Pool, now: float) -> Iterator[str]:
    bounds = pool.settings.pool
    if now - pool.ticked > SLACK_S:
        yield f"the pool's clock stands still for {now - pool.ticked:.0f} s"
    for instance in pool.scheduler.instances.values():
        if instance.phase not in LOADING and now - instance.waiting_since > bounds.queue_wait_s + SLACK_S:
            yield f"{instance.name}: somebody waits for {now - instance.waiting_since:.0f} s"
        if instance.phase in LOADING and now - instance.phase_since > bounds.load_s + SLACK_S:
            yield f"{instance.name}: loading for {now - instance.phase_since:.0f} s"
        if instance.phase is Phase.STOPPING and now - instance.phase_since > bounds.unload_grace_s + STOP_S:
            yield f"{instance.name}: stopping for {now - instance.phase_since:.0f} s"
        if (
            instance.managed
            and instance.phase is Phase.READY
            and now - instance.phase_since > SLACK_S
            and not _lives(pool, instance)
        ):
            yield f"{instance.name}: ready without a process"


def _lives(pool: Pool, instance: Instance) -> bool:
    child = pool.lifecycle.children.get(instance.name)
    return child is not None and child.process.alive


def _row(pool: Pool, spec: ModelSpec, now: float) -> dict[str, Any]:
    engine = pool.availability.engine(spec)
    instance = pool.scheduler.instances[instance_name(spec, engine.kind or "")]
    child, count = pool.lifecycle.children.get(spec.id), pool.meter.of(spec.id)
    return {
        "state": str(instance.phase) if instance.managed else "remote" if engine.kind else "missing",
        "backend": engine.kind,
        "reason": engine.reason or None,
        "pid": engine_pid(child.process.pid) if child else None,
        "port": int(child.url.rpartition(":")[2]) if child else None,
        "in_flight": len(instance.in_flight),
        "queued": len(instance.queue),
        "loads": instance.loads,
        "load_seconds": round(instance.load_s, 3),
        "memory": instance.memory_bytes,
        "evictions": instance.evictions,
        "failures": len(instance.failed_at),
        "until_s": round(max(0.0, instance.retry_at - now), 1),
        "cause": instance.last_error.message if instance.last_error else None,
        "tokens_per_second": round(count.speed, 1),
        "last_used_s": None if count.used is None else round(now - count.used, 1),
        "pinned": instance.pinned,
        **_sums(count),
    }


def _sums(count: Count) -> dict[str, int]:
    return {
        "requests": count.requests,
        "failed_requests": count.failures,
        "prompt_tokens": count.prompt_tokens,
        "completion_tokens": count.completion_tokens,
    }


def engine_pid(guard: int) -> int:
    """The engine's own process under its guard."""
    return next(iter(process.children(guard)), guard)


class _Collector:
    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    def collect(self) -> Iterable[Metric]:
        meter, instances = self.pool.meter, self.pool.scheduler.instances.values()
        requests = CounterMetricFamily("http_requests", "Requests answered", labels=["route", "status"])
        for (path, status), count in meter.statuses.items():
            requests.add_metric([path, str(status)], count)
        yield requests
        buckets, total = [], 0
        for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), meter.seconds, strict=True):
            total += count
            buckets.append((bound, total))
        yield HistogramMetricFamily(
            "http_request_seconds",
            "Time to the end of the answer",
            buckets=buckets,
            sum_value=meter.seconds_sum,
        )
        yield _gauge(
            "pool_in_flight", "Requests being answered", ((x.name, len(x.in_flight)) for x in instances)
        )
        yield _gauge("pool_queued", "Requests waiting", ((x.name, len(x.queue)) for x in instances))
        yield _gauge("pool_loads", "Loads so far", ((x.name, x.loads) for x in instances if x.managed))
        yield _gauge(
            "pool_load_seconds",
            "Seconds of the last load",
            ((x.name, x.load_s) for x in instances if x.managed),
        )
        ready = ((x.name, float(x.phase is Phase.READY)) for x in instances if x.managed)
        yield _gauge("pool_model_loaded", "1 while the model is loaded", ready)
        tokens = CounterMetricFamily("pool_tokens", "Tokens", labels=["model", "kind"])
        for name, count in meter.counts.items():
            tokens.add_metric([name, "prompt"], count.prompt_tokens)
            tokens.add_metric([name, "completion"], count.completion_tokens)
        yield tokens


def _gauge(name: str, about: str, values: Iterable[tuple[str, float]]) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(name, about, labels=["model"])
    for model_name, value in values:
        gauge.add_metric([model_name], value)
    return gauge
