"""Cleaning: it says before it does, and what is in use or remembered stays."""

import os
import time
from pathlib import Path

import pytest
from prefect import flow
from prefect.artifacts import acreate_markdown_artifact

from flows import cleanup as module
from flows.cleanup import cleanup
from tools.clients.prefect import open_prefect
from tools.settings import Settings

MONTHS = 90 * 86_400


@flow(name="trial")
async def trial() -> None:
    await acreate_markdown_artifact("x", key="trial")


def _file(path: Path, age_s: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x" * 100)
    then = time.time() - age_s
    os.utime(path, (then, then))
    return path


async def test_a_dry_run_removes_nothing_and_says_how_much(run, prefect: Settings) -> None:
    old = _file(prefect.log_dir / "pool.log.3", MONTHS)
    state = await run(cleanup)
    assert state.is_completed()
    assert {item.kind: item.count for item in await state.aresult()} == {
        "runs": 0,
        "reports": 0,
        "logs": 1,
        "results": 0,
    }
    assert old.exists()


async def test_old_files_go_and_fresh_ones_stay(run, prefect: Settings, tmp_path: Path) -> None:
    old = _file(prefect.log_dir / "old.log", MONTHS)
    fresh = _file(prefect.log_dir / "fresh.log", 60)
    outside = _file(tmp_path / "outside.log", MONTHS)
    (prefect.log_dir / "link.log").symlink_to(outside)
    await run(cleanup, dry_run=False)
    assert (old.exists(), fresh.exists(), outside.exists()) == (False, True, True)
    again = {item.kind: item.count for item in await (await run(cleanup, dry_run=False)).aresult()}
    assert again["logs"] == 0


async def test_finished_runs_and_all_but_the_last_report_go(
    run, prefect: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        await run(trial)
    monkeypatch.setattr(module, "_before", lambda _: "2999-01-01T00:00:00.000000Z")
    async with open_prefect(prefect) as client:
        assert len(await client.history("trial", limit=10)) == 3
        await run(cleanup, dry_run=False)
        assert len(await client.history("trial", limit=10)) == 1
        names = [item["name"] for item in await client.call("POST", "/flows/filter", json={})]
        left = await client.call("POST", "/flow_runs/filter", json={"flows": {"name": {"any_": ["trial"]}}})
    assert "trial" in names
    assert left == []
