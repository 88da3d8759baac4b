"""`capibara6 up`: start every service, wait until healthy, ingest the sample documents, stop on Ctrl-C."""

import asyncio
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import psutil
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from servers.bridge.cli.first_admin import announce_first_admin
from servers.commands.ask import ask
from servers.commands.messages import message
from servers.commands.sample import ingest_sample
from servers.local.machines import Machine, check_reachable, local_machines
from servers.local.services import Service, planned_services
from servers.local.supervisor import (
    START_RETRIES,
    ProcessStatus,
    Supervisor,
    open_supervisor,
)
from tools.clients.pool import open_pool
from tools.clients.prefect import open_prefect
from tools.error_messages import sentence
from tools.errors import BadRequest, Capibara6Error, Unavailable
from tools.settings import Language, Settings

States = dict[str, tuple[str, ProcessStatus | None]]
"""By service name: its state (`state_of`) and what supervisord says of its process."""
TOLD_EVERY_S = 30.0
FIRST_QUESTION = {
    "es": "¿Cuántos modelos puede tener cargados a la vez el servidor?",
    "en": "How many models can the server have loaded at once?",
}
BUILT_IN_MODELS = frozenset({"extractive", "auto", "consensus"})
"""What answers without weights of its own."""
COLOURS = {
    "healthy": "green",
    "starting": "yellow",
    "waiting": "yellow",
    "restarting": "red",
    "failed": "red",
}


class HealthMonitor:
    """The state of every service; `poll` asks supervisord and each service's own health check."""

    def __init__(self, supervisor: Supervisor, services: Sequence[Service]) -> None:
        self.supervisor = supervisor
        self.services = services
        self.rows: States = {}
        self.shown: dict[str, str] = {}
        self.pids: defaultdict[str, set[int]] = defaultdict(set)
        self.missed: defaultdict[str, int] = defaultdict(int)

    def poll(self) -> States:
        """The states now; a supervisord that was killed is started again."""
        self.supervisor.revive()
        known = {status.name: status for status in self.supervisor.statuses()}
        with ThreadPoolExecutor(len(self.services)) as threads:
            healthy = list(threads.map(lambda service: service.healthy(), self.services))
        for service, answered in zip(self.services, healthy, strict=True):
            status = known.get(service.name)
            well = self._well(service.name, status, answered)
            self.rows[service.name] = (self._state_of(service.name, status, well), status)
        return self.rows

    def _well(self, name: str, status: ProcessStatus | None, answered: bool) -> bool:
        """Whether it counts as healthy: a process that was so may miss one check, as on a busy machine."""
        self.missed[name] = 0 if answered else self.missed[name] + 1
        before, process = self.rows.get(name, ("", None))
        same = status is not None and process is not None and status.pid == process.pid
        return answered or (before == "healthy" and same and self.missed[name] < 2)

    def _state_of(self, name: str, status: ProcessStatus | None, healthy: bool) -> str:
        """`state_of`; a process that keeps dying slowly, never fatal to supervisord, has failed too."""
        state = state_of(status, healthy)
        if state == "healthy":
            self.pids[name] = set()
        elif status is not None and status.pid:
            self.pids[name].add(status.pid)
        return "failed" if len(self.pids[name]) > START_RETRIES else state

    def in_state(self, state: str) -> list[str]:
        """The names of the services in a state."""
        return [name for name, (found, _) in self.rows.items() if found == state]

    @property
    def ready(self) -> bool:
        """Whether every service is healthy."""
        return len(self.in_state("healthy")) == len(self.services)


def state_of(status: ProcessStatus | None, healthy: bool) -> str:
    """A service's state: starting, healthy, waiting, restarting or failed."""
    if status is None or status.state == "STARTING":
        return "starting"
    if status.state == "RUNNING":
        return "healthy" if healthy else "waiting"
    return "failed" if status.state == "FATAL" else "restarting"


def up(settings: Settings, console: Console, machines: tuple[Machine, ...] | None = None) -> None:
    """Run what belongs on `machines` (by default on this one) until SIGINT or SIGTERM. Flows are deployed,
    documents ingested and a question asked where `services` is among them.

    Raises `Capibara6Error` when it can not be started."""
    language = settings.language
    machines = local_machines(settings) if machines is None else machines
    services = planned_services(settings, machines)
    if not services:
        raise BadRequest("no host of the settings is this machine", code="nothing_to_run", param="hosts")
    check_reachable(settings, machines)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    console.print(message("starting_all", language, home=settings.home.absolute()))
    with open_supervisor(settings, services) as supervisor:
        monitor = HealthMonitor(supervisor, services)
        _show_until(monitor, console, language, stop, _started(monitor, settings, console))
        if not stop.is_set():
            if "services" in machines:
                ingest_sample(settings, console, stop, supervisor.revive)
                _welcome(settings, console)
            else:
                _announce(services, console, language)
            _show_until(monitor, console, language, stop, lambda: False)
        console.print(message("stopping", language))
    console.print(message("stopped", language))


def _announce(services: Sequence[Service], console: Console, language: Language) -> None:
    """Where the other machines reach what runs here."""
    for service in services:
        if service.url.startswith("http"):
            console.print(f"{service.name}: {service.url}", highlight=False)
    console.print(message("stop_hint", language))


def _started(monitor: HealthMonitor, settings: Settings, console: Console) -> Callable[[], bool]:
    """True once everything is healthy; raises when something will not be."""
    begun, language, told = time.monotonic(), settings.language, 0.0

    def check() -> bool:
        nonlocal told
        if monitor.ready:
            console.print(message("ready", language, seconds=time.monotonic() - begun))
            return True
        waited = time.monotonic() - begun
        late = waited > settings.limits.start_s
        names = monitor.in_state("failed") or (
            monitor.in_state("waiting") + monitor.in_state("restarting") if late else []
        )
        if names or late:
            tails = "\n".join(monitor.supervisor.log_tail(name) for name in names[:3])
            key = "service_failed" if monitor.in_state("failed") else "not_ready"
            text = message(
                key, language, name=names[0] if names else "?", names=", ".join(names), seconds=int(waited)
            )
            raise Unavailable(f"{text}\n{tails}", code="start_failed", source=names[0] if names else None)
        if waited > told + TOLD_EVERY_S and not console.is_terminal:
            told = waited
            missing = ", ".join(name for name, (state, _) in monitor.rows.items() if state != "healthy")
            console.print(message("still_waiting", language, seconds=int(waited), names=missing))
        return False

    return check


def _show_until(
    monitor: HealthMonitor,
    console: Console,
    language: Language,
    stop: threading.Event,
    done: Callable[[], bool],
) -> None:
    """Keep the table live on a terminal; elsewhere print a line when a service changes."""
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while not stop.is_set():
            rows = monitor.poll()
            if console.is_terminal:
                live.update(services_table(monitor.services, rows, language), refresh=True)
            else:
                _print_changes(console, rows, monitor.shown, language)
            if done():
                break
            stop.wait(0.3 if not monitor.ready else 2.0)
    if console.is_terminal:
        console.print(services_table(monitor.services, monitor.rows, language))


def _print_changes(console: Console, rows: States, shown: dict[str, str], language: Language) -> None:
    for name, (state, _) in rows.items():
        if shown.get(name) != state and state in ("healthy", "failed", "restarting"):
            console.print(f"{name}: {message(state, language)}", highlight=False)
        shown[name] = state


def services_table(services: Sequence[Service], rows: States, language: Language) -> Table:
    """Services, health, address, pid and memory (resident MiB of the process and its children)."""
    view = Table(box=None, pad_edge=False)
    for key in ("service", "state", "address"):
        view.add_column(message(key, language))
    view.add_column("PID", justify="right")
    view.add_column(message("memory", language), justify="right")
    for service in services:
        state, status = rows.get(service.name, ("starting", None))
        pid = status.pid if status else 0
        memory = f"{resident_mib(pid)} MiB" if pid else ""
        colour = COLOURS[state]
        view.add_row(
            service.name, f"[{colour}]{message(state, language)}[/]", service.url, str(pid or ""), memory
        )
    return view


def resident_mib(pid: int) -> int:
    """Resident memory of a process and its children, in MiB; shared pages are counted once each."""
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    total = 0
    for process in family:
        try:
            total += process.memory_info().rss - process.memory_info().shared
        except psutil.NoSuchProcess:
            continue
    return total // 2**20


def _welcome(settings: Settings, console: Console) -> None:
    language = settings.language
    try:
        asyncio.run(ask(settings, FIRST_QUESTION[language], console=console))
        real = asyncio.run(_real_models(settings))
    except Capibara6Error as exc:
        console.print(f"[red]✗[/] {escape(sentence(exc.code, language, exc.message))}")
        real = []
    console.print(
        message("model_real", language, models=", ".join(real)) if real else message("model_none", language)
    )
    console.print(
        message("open", language, ui=settings.ui_url, prefect=_flows_link(settings, console)),
        style="bold",
        soft_wrap=True,
    )
    announce_first_admin()
    console.print(message("stop_hint", language))


def _flows_link(settings: Settings, console: Console) -> str:
    """Prefect's page: a link that signs in whoever opens it first, or its address on a server of others."""

    async def link() -> str:
        async with open_prefect(settings) as prefect:
            return await prefect.sign_in_link()

    page = settings.prefect_url.removesuffix("/api")
    try:
        return asyncio.run(link()) if settings.stores.prefect_api_url is None else page
    except Capibara6Error as exc:
        console.print(f"[red]✗[/] {escape(sentence(exc.code, settings.language, exc.message))}")
        return page


async def _real_models(settings: Settings) -> list[str]:
    async with open_pool(settings) as pool:
        models = await pool.models()
    return [model["id"] for model in models if model.get("available") and model["id"] not in BUILT_IN_MODELS]
