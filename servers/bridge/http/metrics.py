"""The stores' part of `/metrics`: calls, seconds, errors, and whether the breaker is open."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from servers.bridge.clients.store_client import Store


class StoreMetrics(Collector):
    """Reads the tallies that the stores keep, when somebody asks."""

    def __init__(self, stores: Callable[[], Iterable[Store]]) -> None:
        self.stores = stores

    def collect(self) -> Iterator[Metric]:
        labels = ["store"]
        calls = CounterMetricFamily("store_calls", "Calls to a store", labels=labels)
        errors = CounterMetricFamily("store_errors", "Calls that the store failed", labels=labels)
        seconds = SummaryMetricFamily("store_seconds", "Time in a store's calls", labels=labels)
        breaker = GaugeMetricFamily("store_breaker_open", "1 while calls are refused", labels=labels)
        for store in self.stores():
            name, tally = [store.source], store.tally
            calls.add_metric(name, tally.calls)
            errors.add_metric(name, tally.errors)
            seconds.add_metric(name, count_value=tally.calls, sum_value=tally.seconds)
            breaker.add_metric(name, int(store.open))
        yield from (calls, errors, seconds, breaker)
