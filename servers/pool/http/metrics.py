"""`/metrics`: the pool's counters and instances in Prometheus' text format. It only reads."""

from collections.abc import Iterable

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from servers.pool.counters import Counters
from servers.pool.scheduling.instance import Instance, Phase
from servers.pool.scheduling.scheduler import Scheduler
from servers.web.middleware import BOUNDS_S, SECONDS, service_registry


class PoolMetrics(Collector):
    """Read when it is scraped: the hot path counts plain numbers."""

    def __init__(self, *, scheduler: Scheduler, counters: Counters) -> None:
        self.scheduler, self.counters = scheduler, counters

    def text(self) -> bytes:
        """Prometheus' text format."""
        registry = service_registry("pool")
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> Iterable[Metric]:
        """All metrics."""
        yield from self._http()
        yield from self._instances()
        tokens = CounterMetricFamily("pool_tokens", "Tokens", labels=["model", "kind"])
        for name, counts in self.counters.models.items():
            tokens.add_metric([name, "prompt"], counts.prompt_tokens)
            tokens.add_metric([name, "completion"], counts.completion_tokens)
        yield tokens

    def _http(self) -> Iterable[Metric]:
        requests = CounterMetricFamily("http_requests", "Requests answered", labels=["route", "status"])
        for (path, status), count in self.counters.statuses.items():
            requests.add_metric([path, str(status)], count)
        yield requests
        buckets: list[tuple[str, float]] = []
        total = 0
        for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), self.counters.seconds, strict=True):
            total += count
            buckets.append((bound, total))
        yield HistogramMetricFamily(
            SECONDS,
            "Time to the end of the answer",
            buckets=buckets,
            sum_value=self.counters.seconds_sum,
        )

    def _instances(self) -> Iterable[Metric]:
        instances: list[Instance] = list(self.scheduler.instances.values())
        managed = [instance for instance in instances if instance.managed]
        running = ((each.name, len(each.in_flight)) for each in instances)
        yield _gauge("pool_in_flight", "Requests being answered", running)
        yield _gauge("pool_queued", "Requests waiting", ((each.name, len(each.queue)) for each in instances))
        yield _gauge("pool_loads", "Loads so far", ((each.name, each.loads) for each in managed))
        seconds = ((each.name, each.load_s) for each in managed)
        yield _gauge("pool_load_seconds", "Seconds of the last load", seconds)
        ready = ((each.name, float(each.phase is Phase.READY)) for each in managed)
        yield _gauge("pool_model_loaded", "1 while the model is loaded", ready)


def _gauge(name: str, about: str, values: Iterable[tuple[str, float]]) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(name, about, labels=["model"])
    for model_name, value in values:
        gauge.add_metric([model_name], value)
    return gauge
