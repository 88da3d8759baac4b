"""A restore rehearsed: the platform's services over an empty home of their own, a backup put back there, and
what it holds asked for. Nothing of the running platform is touched, and no letter or webhook leaves.

Conversations are looked at as files: an API that opened them would send what waited to be sent.
"""

import asyncio
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager, suppress
from os import environ
from pathlib import Path

from flows.evaluate import QUESTIONS, read_questions
from tools.clients.api import open_api
from tools.clients.bridge import open_bridge
from tools.errors import Capibara6Error, UpstreamSilent
from tools.sections import Alerts, Hosts, Ports, Stores
from tools.settings import Settings

SERVICES = ("postgres", "redis", "milvus", "graph", "pool", "bridge", "api")
ASKED = 6
"""Questions of those with known answers."""
OURS = ("CAPIBARA6_", "PREFECT_")
STOP_S = 20.0
POLL_S = 0.5
CONVERSATIONS = {"threads.sqlite": "checkpoints", "runs.sqlite": "runs", "facts.sqlite": "store"}
"""Files of conversations, and the table of each whose rows count."""


def scratch_settings(settings: Settings, home: Path) -> Settings:
    """The same platform over nothing: stores of its own, free ports of this machine, nobody who is told."""
    names = list(Ports.model_fields)
    changes = {
        "home": home,
        "ports": Ports(**dict(zip(names, _free_ports(len(names)), strict=True))),
        "host": "127.0.0.1",
        "hosts": Hosts(),
        "stores": Stores(),
        "alerts": Alerts(),
        "rag_url": None,
        "vllm_url": None,
    }
    return settings.model_copy(update=changes)


@asynccontextmanager
async def scratch(settings: Settings, deadline: float) -> AsyncIterator[Settings]:
    """An empty platform that answers, gone at the end. Raises UpstreamSilent at `deadline` (monotonic)."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="c6-")))
        other = scratch_settings(settings, home / "home")
        for name in SERVICES:
            stack.enter_context(_serving(other, name))
        await _until_ready(other, deadline)
        yield other


def count_conversations(path: Path) -> dict[str, int]:
    """Rows of the conversations in a backup's folder, each file whole. Raises sqlite3.DatabaseError."""
    counts: dict[str, int] = {}
    for name, table in CONVERSATIONS.items():
        file = path / "files" / name
        if not file.is_file():
            continue
        with closing(sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)) as connection:
            (state,) = connection.execute("PRAGMA integrity_check").fetchone()
            if state != "ok":
                raise sqlite3.DatabaseError(f"{name}: {state}")
            (counts[name],) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return counts


async def ask_known(settings: Settings, counts: Mapping[str, Mapping[str, int]]) -> tuple[int, list[str]]:
    """Ask what the sample documents answer, where they came back: how many were answered rightly, and the
    questions that were not."""
    right, wrong = 0, list[str]()
    if not counts.get(settings.chat.collection, {}).get("documents"):
        return right, wrong
    async with open_bridge(settings) as bridge:
        there = {item["id"] for item in await bridge.documents(collection=settings.chat.collection)}
    known = [item for item in read_questions(QUESTIONS)["retrieval"] if item.holds and item.document in there]
    async with open_api(settings) as api:
        for item in known[:ASKED]:
            if item.answered_by(await api.ask(item.question, metadata={})):
                right += 1
            else:
                wrong.append(item.question)
    return right, wrong


async def _until_ready(settings: Settings, deadline: float) -> None:
    """Until the bridge reaches its stores, without which it starts, and the API its peers."""
    while True:
        with suppress(Capibara6Error):
            async with open_bridge(settings) as bridge, open_api(settings) as api:
                stores = (await bridge.health()).values()
                answers = await api.http.json("GET", "/health/ready")
            if {store["status"] for store in stores} == {"connected"} and "pool" in str(answers):
                return
        if time.monotonic() > deadline:
            tail = _tails(settings)
            raise UpstreamSilent(f"the scratch platform does not answer\n{tail}", source="bridge")
        await asyncio.sleep(POLL_S)


def _tails(settings: Settings, lines: int = 3) -> str:
    """The last lines of each service's log."""
    logs = {name: settings.log_dir / f"{name}.log" for name in SERVICES}
    return "\n".join(
        f"{name}: {line}"
        for name, log in logs.items()
        for line in log.read_text("utf-8", "replace").splitlines()[-lines:]
    )


@contextmanager
def _serving(settings: Settings, name: str) -> Iterator[None]:
    """One service as a child, ended with the block."""
    settings.log_dir.mkdir(parents=True, exist_ok=True)
    with (settings.log_dir / f"{name}.log").open("ab") as output:
        command = [sys.executable, "-m", "servers", "serve", name]
        given = {
            key: value for key, value in environ.items() if not key.startswith(("CAPIBARA6_", "PREFECT_"))
        }
        child = subprocess.Popen(
            command, env={**given, **settings.environment()}, stdout=output, stderr=output
        )
    try:
        yield
    finally:
        child.terminate()
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _free_ports(count: int) -> list[int]:
    """Free at this moment; all held at once, so that none comes twice."""
    with ExitStack() as stack:
        held = [stack.enter_context(closing(socket.socket())) for _ in range(count)]
        for each in held:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in held]
