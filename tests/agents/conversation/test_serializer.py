import json
import pickle
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ormsgpack
import pytest

from agents.conversation.persistence import open_persistence
from agents.conversation.serializer import MOST_BYTES, SealKey, SignedSerializer
from agents.runtime import AgentRequest, compile_agents, run
from tools.errors import StateRefused
from tools.settings import Settings

ASKED = [{"role": "user", "content": "¿En qué puerto escucha la API?"}]


class Bomb:
    """Unpickling it creates the file at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def forged(kind: str, marker: Path) -> tuple[str, bytes]:
    """Fault 52: rows that would run code, build objects or eat memory if they were decoded."""
    constructor = {"lc": 2, "type": "constructor", "id": ["os", "mkdir"], "args": [str(marker)]}
    call = ormsgpack.Ext(0, ormsgpack.packb(["os", "mkdir", [str(marker)]]))
    return {
        "pickle": ("pickle", pickle.dumps(Bomb(marker))),
        "msgpack": ("msgpack", ormsgpack.packb({"channel_values": call})),
        "lc": ("json", json.dumps(constructor).encode()),
        "huge": ("bytes", b"0" * 100_000_000),
        "short": ("msgpack", b"x"),
    }[kind]


@pytest.mark.parametrize("kind", ["pickle", "msgpack", "lc", "huge", "short"])
@pytest.mark.parametrize("table", ["checkpoints", "writes"])
async def test_tampered_rows_are_refused_and_nothing_runs(settings, context, kind, table, tmp_path) -> None:
    async with open_persistence(settings) as persistence:
        ready = compile_agents(persistence)
        await run(ready, AgentRequest("capibara6", ASKED, thread_id="a"), context=context)
        marker = tmp_path / "executed"
        column = {"checkpoints": "checkpoint", "writes": "value"}[table]
        with sqlite3.connect(settings.home / "threads.sqlite") as base:
            if table == "writes":
                base.execute(
                    "INSERT INTO writes (thread_id, checkpoint_ns, checkpoint_id, task_id, idx, channel) "
                    "SELECT thread_id, checkpoint_ns, max(checkpoint_id), 'x', 0, 'answer' FROM checkpoints"
                )
            base.execute(f"UPDATE {table} SET type = ?, {column} = ?", forged(kind, marker))
        with pytest.raises(StateRefused):
            await run(ready, AgentRequest("capibara6", ASKED, thread_id="a"), context=context)
        assert not marker.exists()
        await run(ready, AgentRequest("capibara6", ASKED, thread_id="b"), context=context)


def test_value_comes_back_and_a_flipped_byte_does_not() -> None:
    sealed = SignedSerializer(lambda: b"k" * 32)
    kind, data = sealed.dumps_typed({"ñ": [1, 2.5, None]})
    assert sealed.loads_typed((kind, data)) == {"ñ": [1, 2.5, None]}
    for at in (0, 40, len(data) - 1):
        with pytest.raises(StateRefused):
            sealed.loads_typed((kind, data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]))
    with pytest.raises(StateRefused):
        sealed.loads_typed(("json", data))
    with pytest.raises(StateRefused):
        sealed.loads_typed((kind, b"0" * (MOST_BYTES + 1)))


def test_key_is_made_once_and_is_private(settings) -> None:
    key = SealKey(settings)()
    assert SealKey(settings)() == key
    path = settings.home / "seal.key"
    assert path.stat().st_mode & 0o077 == 0
    assert [other.name for other in settings.home.iterdir()] == [path.name]


def test_a_key_that_a_restore_put_back_is_used_by_who_runs_already(settings, tmp_path) -> None:
    here, elsewhere = SealKey(settings), settings.model_copy(update={"home": tmp_path / "elsewhere"})
    assert here() != SealKey(elsewhere)()
    (elsewhere.home / "seal.key").rename(settings.home / "seal.key")
    assert here() == SealKey(settings)()


def test_many_threads_that_make_the_key_at_once_have_the_same_one(settings: Settings) -> None:
    with ThreadPoolExecutor(16) as threads:
        keys = set(threads.map(lambda _: SealKey(settings)(), range(64)))
    assert len(keys) == 1
    assert [file.name for file in settings.home.iterdir()] == ["seal.key"]
