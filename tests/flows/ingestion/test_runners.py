"""Task runners: the same work on threads and on a Dask cluster; what is not installed says how to get it."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from flows.ingest import ingest
from flows.ingestion.runners import open_executor
from flows.orchestration.launch import prefect_environment
from tests.conftest import settings_in
from tests.flows.fake_bridge import FakeBridge
from tools.errors import NotSupported
from tools.settings import Settings

RUN = """
import asyncio, json, sys
from flows.ingest import ingest

if __name__ == "__main__":
    report = asyncio.run(ingest(sources=[sys.argv[1]], collection=sys.argv[2], batch_size=1))
    print(json.dumps(report.added))
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A program of its own: a local cluster starts its workers from the main module."""
    file = tmp_path / "run.py"
    file.write_text(RUN)
    return file


@pytest.mark.soak
def test_a_dask_cluster_reads_and_the_flow_writes(
    prefect: Settings, bridge: FakeBridge, folder: Path, script: Path
) -> None:
    settings = prefect.model_copy(update={"task_runner": "dask"})
    environment = {**os.environ, **prefect_environment(settings), "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(
        [sys.executable, str(script), str(folder), "of_dask"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    assert json.loads(done.stdout.splitlines()[-1]) == [
        f"file://{folder}/es/uno.md",
        f"file://{folder}/two.txt",
    ]
    assert len(bridge.collections["of_dask"]) == 2


async def test_a_dask_cluster_that_is_named_is_used(
    run, bridge: FakeBridge, folder: Path, monkeypatch
) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"
    ) as cluster:
        monkeypatch.setenv("CAPIBARA6_TASK_RUNNER", "dask")
        monkeypatch.setenv("CAPIBARA6_FLOWS", json.dumps({"cluster": cluster.scheduler_address}))
        state = await run(ingest, sources=[str(folder)], collection="of_a_named_cluster")
    assert state.is_completed(), state.message
    assert len(bridge.collections["of_a_named_cluster"]) == 2


@pytest.mark.skipif(find_spec("prefect_ray") is not None, reason="Ray is installed here")
def test_a_runner_that_is_not_installed_says_how_to_get_it(tmp_path: Path) -> None:
    with (
        pytest.raises(NotSupported, match=r"pip install 'capibara6\[ray\]'"),
        open_executor(settings_in(tmp_path, task_runner="ray")),
    ):
        pass
