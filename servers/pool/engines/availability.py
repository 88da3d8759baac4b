"""Availability: which backends can serve a model now, on which instances, what is missing. Starts nothing."""

import time
from collections.abc import Mapping
from typing import NamedTuple

from servers.pool.catalog.catalog import Catalog, ModelSpec
from servers.pool.engines.backends import Backends, instance_name
from servers.pool.routing.policy import PoolState
from servers.pool.scheduling.instance import Instance, Phase
from servers.pool.upstream.backend import Backend, ManagedBackend
from tools.errors import ModelUnavailable

FRESH_S = 1.0


class Available(NamedTuple):
    """The backends that can serve a model now, best first; `reason` says why none can and how to get one."""

    backends: tuple[Backend, ...]
    reason: str = ""

    @property
    def backend(self) -> Backend | None:
        """The one that serves it."""
        return self.backends[0] if self.backends else None

    @property
    def backend_name(self) -> str | None:
        """Its name, as the pool's JSON says it."""
        return self.backends[0].name if self.backends else None


class Availability:
    """Answers from the disk and the last look at other programs; at most FRESH_S old."""

    def __init__(self, catalog: Catalog, backends: Backends, instances: Mapping[str, Instance]) -> None:
        self.catalog, self.backends, self.all_instances = catalog, backends, instances
        self._known: dict[str, tuple[float, Available]] = {}

    def of(self, spec: ModelSpec) -> Available:
        """What can serve the model."""
        now = time.monotonic()
        known = self._known.get(spec.id)
        if known is None or now - known[0] >= FRESH_S:
            known = self._known[spec.id] = (now, self._look(spec))
        return known[1]

    def instances(self, spec: ModelSpec) -> list[str]:
        """The instances that could serve the model now, best first. Raises ModelUnavailable and says why."""
        own = self.all_instances[spec.engine]
        if own.managed and own.phase is Phase.READY:
            return [spec.engine]
        backends, reason = self.of(spec)
        if not backends:
            raise ModelUnavailable(f"{spec.id} is not available: {reason}", param="model", source="pool")
        best = backends[0]
        never_loaded = own.phase in (Phase.COLD, Phase.FAILED) and not own.loads
        if never_loaded and isinstance(best, ManagedBackend):
            own.memory_bytes = best.predicted_bytes(spec)
        return [instance_name(spec, backend) for backend in backends]

    def router_state(self) -> PoolState:
        """What the router may choose from: models that can serve, those loaded, seconds of a load."""
        now = time.monotonic()
        available, loaded, load_s = set[str](), set[str](), dict[str, float]()
        for spec in self.catalog.models.values():
            instance = self.all_instances[spec.engine]
            backends = self.of(spec).backends
            elsewhere = any(not backend.managed for backend in backends)
            if backends and (elsewhere or instance.retry_at <= now):
                available.add(spec.id)
            if (backends and not backends[0].managed) or instance.phase is Phase.READY:
                loaded.add(spec.id)
            load_s[spec.id] = instance.load_s
        return PoolState(available=frozenset(available), loaded=frozenset(loaded), load_s=load_s)

    async def refresh(self) -> None:
        """Look at what other programs offer, where any model of the catalogue could use it."""
        for backend in self.backends.all:
            if any(backend.serves(spec) for spec in self.catalog.models.values()):
                await backend.refresh()
        self._known.clear()

    def _look(self, spec: ModelSpec) -> Available:
        here: list[Backend] = []
        reasons: list[str] = []
        for backend in self.backends.of(spec):
            reason = backend.missing(spec)
            if reason is None:
                here.append(backend)
            else:
                reasons.append(reason)
        return Available(tuple(here), "" if here else "; and ".join(reasons))
