"""`/v1/models`: each model of the catalogue as the pool describes it, and the virtual ones. It only reads."""

import time

from servers.pool.catalog.catalog import VIRTUAL, Catalog, ModelSpec
from servers.pool.engines.availability import Availability
from servers.pool.engines.backends import Backends
from servers.pool.routing.policy import context_window
from servers.pool.scheduling.instance import LOADING, Phase
from servers.pool.scheduling.scheduler import Scheduler
from tools.schema import JsonObject

ABOUT = {
    "auto": "Elige el modelo que cada pregunta merece",
    "consensus": "Pregunta a varios modelos y da una sola respuesta mejor",
}


class ModelList:
    """The models of one pool; `started_at` (Unix time) is shown as their creation."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        backends: Backends,
        availability: Availability,
        scheduler: Scheduler,
        started_at: int,
    ) -> None:
        self.catalog, self.backends, self.availability = catalog, backends, availability
        self.scheduler, self.started_at = scheduler, started_at

    def all(self) -> list[JsonObject]:
        """What `/v1/models` lists: the catalogue, then `auto` and `consensus` where it has them."""
        described = [self.describe(spec) for spec in self.catalog.models.values()]
        return described + [self._virtual(name) for name in VIRTUAL if self._has_virtual(name)]

    def one(self, name: str) -> JsonObject:
        """The item of one model, virtual or not. Raises ModelNotFound."""
        if name in VIRTUAL and self._has_virtual(name):
            return self._virtual(name)
        return self.describe(self.catalog.spec(name))

    def describe(self, spec: ModelSpec) -> JsonObject:
        """One item; `reason` says why a model is not available and how to get it, `ready` whether it answers
        without being loaded first, `context_tokens` how much it can hold, where its engine is told."""
        available = self.availability.of(spec)
        return {
            **self._head(spec.id),
            "domain": spec.domain,
            "kind": spec.kind,
            "description": spec.description,
            "status": self._status(spec, available=bool(available.backends)),
            "available": bool(available.backends),
            "reason": available.reason or None,
            "backend": available.backend_name,
            "ready": spec.id in self.availability.router_state().loaded,
            "context_tokens": spec.context_tokens or context_window(spec.args),
        }

    def _has_virtual(self, name: str) -> bool:
        return getattr(self.catalog, name, None) is not None

    def _virtual(self, name: str) -> JsonObject:
        """A model that is a way of choosing or asking others."""
        return {
            **self._head(name),
            "domain": "virtual",
            "kind": "chat",
            "description": ABOUT[name],
            "status": "available",
            "available": True,
            "reason": None,
            "backend": None,
            "ready": True,
            "context_tokens": None,
        }

    def _head(self, name: str) -> JsonObject:
        return {"id": name, "object": "model", "created": self.started_at, "owned_by": "capibara6"}

    def _status(self, spec: ModelSpec, *, available: bool) -> str:
        instance = self.scheduler.instances[spec.engine]
        if instance.retry_at > time.monotonic():
            return "failed"
        if not available:
            return "absent"
        if self.backends.declared(spec).in_process or (
            instance.managed and instance.phase in (Phase.READY, Phase.DRAINING)
        ):
            return "loaded"
        return "loading" if instance.phase in LOADING else "available"
