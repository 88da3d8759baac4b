"""Which files each kind consists of, and the values that their templates get: named ones, never a secret."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from servers.deploy.dashboard import dashboard
from servers.deploy.target import GRAFANA_PORT, N8N_PORT, PROMETHEUS_PORT, STATE, STUDIO_PORT, Target
from servers.local.machines import MACHINES, near
from servers.local.services import Service, planned_services
from servers.local.supervisor import stop_timeout_s
from servers.web.door import RECORDING
from tools.access.addresses import is_loopback
from tools.errors import BadRequest
from tools.settings import Settings

KEEPALIVE = 32
ADDRESS_PER_SECOND = 50
"""Requests of one address, behind which an office may be; keys and people have limits of their own."""
EXECUTABLE = 0o755
Planned = Iterator["Artifact"]


@dataclass(frozen=True)
class Artifact:
    """One file to write at `path`: `template` filled with `values`, or `text` as it is."""

    path: str
    template: str | None = None
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    text: str = ""
    mode: int = 0o644


def plan(kind: str, settings: Settings, target: Target) -> list[Artifact]:
    """The files of a kind of `KINDS`. Raises BadRequest for settings that no file can hold."""
    for word in (*settings.hosts.model_dump().values(), str(target.prefix), str(target.tls), target.user):
        if any(mark.isspace() or mark in "\"';{}$`\\" for mark in word):
            raise BadRequest(f"{word!r} can not be written into configuration files", param="hosts")
    return list(KINDS[kind](settings, target))


def _values(settings: Settings, target: Target) -> dict[str, Any]:
    return {
        "hosts": settings.hosts.model_dump(),
        "ports": settings.ports.model_dump(),
        "limits": settings.limits.model_dump(),
        "names": settings.names,
        "origins": settings.origins,
        "target": target,
        "n8n_port": N8N_PORT,
        "studio_port": STUDIO_PORT,
        "prometheus_port": PROMETHEUS_PORT,
        "grafana_port": GRAFANA_PORT,
    }


def _nginx(settings: Settings, target: Target) -> Planned:
    def place(url: str) -> str:
        return url.removeprefix("http://")

    ports, hosts = settings.ports, settings.hosts
    upstreams = {name: place(near(settings, getattr(ports, name))) for name in ("ui", "api", "mcp", "speech")}
    upstreams["prefect"] = place(near(settings, ports.prefect))
    # The bridge may be elsewhere: by its own address, then.
    beside = is_loopback(hosts.rag) or hosts.rag == hosts.services
    upstreams["bridge"] = place(near(settings, ports.bridge)) if beside else f"{hosts.rag}:{ports.bridge}"
    values = {
        **_values(settings, target),
        "server_names": " ".join(settings.names or (hosts.services,)),
        "upstreams": upstreams,
        "keepalive": KEEPALIVE,
        "key_per_minute": settings.access.requests_per_minute,
        "address_per_second": ADDRESS_PER_SECOND,
        "recording_bytes": RECORDING.body_bytes,
        "longest_s": int(settings.chat.deadline_s + settings.pool.load_s),
    }
    yield Artifact("nginx/capibara6.conf", "nginx/capibara6.conf.j2", values)
    yield Artifact("nginx/self-signed.sh", "nginx/self-signed.sh.j2", values, mode=EXECUTABLE)


def _systemd(settings: Settings, target: Target) -> Planned:
    common = {
        **_values(settings, target),
        "home": target.home(settings.home),
        "state": STATE,
        "bind": _bind(settings),
        "stop_s": stop_timeout_s(settings),
        "start_s": int(settings.limits.start_s),
    }
    for machine in MACHINES:
        for service in planned_services(settings, (machine,)):
            values = {**common, "service": service, "command": _command(service, target), "machine": machine}
            unit = f"systemd/{machine}/capibara6-{service.name}.service"
            yield Artifact(unit, "systemd/service.j2", values)
        yield Artifact(f"systemd/{machine}/capibara6.target", "systemd/target.j2", common)
    if settings.stores.prefect_api_url is None:
        yield Artifact("systemd/services/capibara6-flows.service", "systemd/flows.j2", common)
    yield Artifact("systemd/capibara6.toml", "systemd/capibara6.toml.j2", common)
    yield Artifact("systemd/environment.example", "systemd/environment.j2", common, mode=0o600)


def _bind(settings: Settings) -> str:
    """What each machine binds: what the settings say, or everything where others must reach it."""
    apart = not all(map(is_loopback, settings.hosts.model_dump().values()))
    return "0.0.0.0" if apart and is_loopback(settings.host) else settings.host


def _command(service: Service, target: Target) -> str:
    return " ".join([str(target.prefix / ".venv/bin/python"), *service.command[1:]])


def _compose(settings: Settings, target: Target) -> Planned:
    values = _values(settings, target)
    for machine in MACHINES:
        yield Artifact(f"compose/{machine}.yaml", f"compose/{machine}.yaml.j2", values)
    yield Artifact("compose/.env.example", "compose/env.j2", values, mode=0o600)
    yield Artifact("compose/stores.env.example", "compose/stores.env.j2", values, mode=0o600)


def _firewall(settings: Settings, target: Target) -> Planned:
    ports = settings.ports
    inside = [
        ("rag-bridge", "rag", ("services", "models"), [ports.bridge]),
        ("models-pool", "models", ("services", "rag"), [ports.pool]),
        # What the other machines ask of this one, and nothing more of it.
        (
            "services-doors",
            "services",
            ("models", "rag"),
            [ports.api, ports.speech, ports.mcp, ports.prefect],
        ),
    ]
    values = {
        **_values(settings, target),
        "inside": inside,
        "front": [target.http, target.https, target.flows],
    }
    yield Artifact("firewall/gcloud.sh", "firewall/gcloud.sh.j2", values, mode=EXECUTABLE)


def _ssh(settings: Settings, target: Target) -> Planned:
    values = _values(settings, target)
    yield Artifact("ssh/config", "ssh/config.j2", values, mode=0o600)
    yield Artifact("ssh/vm.sh", "ssh/vm.sh.j2", values, mode=EXECUTABLE)


def _monitoring(settings: Settings, target: Target) -> Planned:
    ports = settings.ports
    jobs = [
        *((name, "services", getattr(ports, name)) for name in ("api", "speech", "mcp", "ui")),
        ("pool", "models", ports.pool),
        ("bridge", "rag", ports.bridge),
    ]
    values = {**_values(settings, target), "jobs": jobs}
    yield Artifact("monitoring/prometheus.yml", "monitoring/prometheus.yml.j2", values)
    yield Artifact("monitoring/alerts.yml", "monitoring/alerts.yml.j2", values)
    yield Artifact("monitoring/grafana/datasources.yaml", "monitoring/datasources.yaml.j2", values)
    yield Artifact("monitoring/grafana/dashboards.yaml", "monitoring/dashboards.yaml.j2", values)
    text = json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n"
    yield Artifact("monitoring/grafana/capibara6.json", text=text)


KINDS: dict[str, Callable[[Settings, Target], Planned]] = {
    "nginx": _nginx,
    "systemd": _systemd,
    "compose": _compose,
    "firewall": _firewall,
    "ssh": _ssh,
    "monitoring": _monitoring,
}
