"""Fault 49: kill -9 at every boundary a run crosses; what was accepted is finished, no effect is repeated."""

import asyncio
import json
import multiprocessing
import signal
import sqlite3

import pytest

from tests.api.deadly import THREAD, Boundary, live, live_on
from tests.conftest import settings_in

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.api.deadly"])


def writes_then_answers(body):
    if any(message["role"] == "tool" for message in body["messages"]):
        return [{"content": "Apuntado. La pool escucha en el puerto 8082 [1]."}]
    function = {"name": "write_note", "arguments": json.dumps({"text": "hola"})}
    return [{"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": function}]}]


@pytest.fixture
def story(peers, knobs, tmp_path):
    """Tells the story in a process that dies at `fatal`: `story(name, fatal)` gives settings and its code."""
    knobs.model, knobs.mind = "phi4_fast", writes_then_answers

    def tell(name: str, fatal: int | None):
        home = tmp_path / name
        home.mkdir(exist_ok=True)
        settings = settings_in(home, ports=peers[0].ports)
        process = PROCESSES.Process(target=live, args=(settings, home, fatal))
        process.start()
        process.join(60)
        return settings, process.exitcode

    return tell


def rows_of(home):
    with sqlite3.connect(home / "runs.sqlite") as base:
        base.row_factory = sqlite3.Row
        return {row["run_id"]: dict(row) for row in base.execute("SELECT * FROM runs")}


@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.soak)])
async def test_run_killed_at_a_boundary_is_finished_without_loss_or_repetition(story, stride) -> None:
    settings, code = await asyncio.to_thread(story, "whole", None)
    assert code == 0
    boundaries = int((settings.home / "crossed").read_text())
    assert boundaries > 30
    for fatal in range(1, boundaries + 1, stride):
        settings, code = await asyncio.to_thread(story, f"fatal-{fatal}", fatal)
        assert code == -signal.SIGKILL
        await live_on(settings, settings.home, Boundary(None))
        check(settings.home, f"boundary {fatal}")


def check(home, where: str) -> None:
    rows = rows_of(home)
    accepted = (home / "accepted").read_text().split()
    assert set(accepted) <= set(rows), f"{where}: an accepted run vanished"
    status = {json.loads(row["metadata"])["name"]: row["status"] for row in rows.values()}
    assert status == {"ask": "interrupted", "confirm": "success"}, where
    notes = (home / "notes").read_text().split() if (home / "notes").exists() else []
    assert len(notes) <= 1, f"{where}: the effect was repeated"
    ending = json.loads(next(row for row in rows.values() if row["status"] == "success")["ending"])
    assert "8082" in ending["answer"]["answer"], where
    assert ending["answer"]["thread_id"] == THREAD
