"""`kill -9` of an ingestion at every step: the same again ends in the state of an undisturbed run."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

import pytest

from flows.orchestration.launch import prefect_environment
from tests.flows.conftest import running
from tests.flows.fake_bridge import FakeBridge
from tests.flows.killed_ingest import STEPS
from tools.settings import Settings

PAGES = 6
SEEDS = 20


def write(folder: Path, seed: int) -> None:
    """The folder after a change: pages that are new, changed and gone since `before`."""
    chosen = random.Random(seed)
    for number in range(PAGES):
        page = folder / f"{number}.md"
        page.unlink(missing_ok=True)
        if chosen.random() < 0.8:
            page.write_text(f"# {number}\n\nPage {number} of {chosen.randrange(2)}.\n")
    (folder / "always.md").write_text("# Always\n\nHere.\n")


class KilledIngest:
    """The process that runs ingestions in forks of itself, some of which are killed on the way."""

    def __init__(self, settings: Settings) -> None:
        environment = {**os.environ, **prefect_environment(settings)}
        command = [sys.executable, "-m", "tests.flows.killed_ingest"]
        self.process = subprocess.Popen(
            command, env=environment, text=True, stdin=PIPE, stdout=PIPE, stderr=DEVNULL
        )

    def ingest(self, folder: Path, collection: str, *armed: Any) -> int:
        """The exit status of one run."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps([str(folder), collection, *armed]), file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())

    def close(self) -> None:
        self.process.communicate()


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A server of its own: the runs that die here stay RUNNING on it, with the places they held."""
    with running(tmp_path_factory.mktemp("killed"), working=False) as processes:
        yield processes.settings


@pytest.fixture(scope="module")
def killed(prefect: Settings) -> Iterator[KilledIngest]:
    killed = KilledIngest(prefect)
    yield killed
    killed.close()


def state(bridge: FakeBridge, collection: str) -> str:
    """A hash of everything that the store holds of a collection, but for when it was written."""
    rows = bridge.collections.get(collection, {})
    plain = {key: {k: v for k, v in row.items() if k != "updated_at"} for key, row in rows.items()}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def dies_and_converges(
    killed: KilledIngest, bridge: FakeBridge, folder: Path, seed: int, *cases: tuple[str, str]
) -> None:
    folder.mkdir(exist_ok=True)
    names = [f"killed{seed}_{number}" for number in range(len(cases))]
    write(folder, seed)
    for name in [*names, f"calm{seed}"]:  # what was there before, and is partly gone now
        for number in range(PAGES):
            bridge.put(name, {"id": f"file://{folder}/{number}.md", "text": "old"})
        bridge.put(name, {"id": f"{folder.name}/always.md", "text": "# Always\n\nHere.\n"})
    assert killed.ingest(folder, f"calm{seed}") == 0
    wanted = state(bridge, f"calm{seed}")
    for name, (step, when) in zip(names, cases, strict=True):
        times = random.Random(f"{seed}{step}{when}").choice((1, 2) if step in ("load", "send") else (1,))
        code = killed.ingest(folder, name, step, when, times)
        assert code in (-signal.SIGKILL, 0), f"seed {seed} {step} {when}"  # 0: it had no such step
        assert killed.ingest(folder, name) == 0, f"seed {seed} {step} {when}"
        assert state(bridge, name) == wanted, f"seed {seed} {step} {when}"


def test_a_run_that_is_killed_is_finished_by_the_next(
    killed: KilledIngest, bridge: FakeBridge, tmp_path: Path
) -> None:
    """Seed 0 has pages to write and pages to delete; a killed run has sent one batch, or removed one page."""
    dies_and_converges(killed, bridge, tmp_path / "pages", 0, ("send", "after"), ("remove", "after"))
    assert bridge.collections["calm0"]


@pytest.mark.soak
@pytest.mark.timeout(7_200)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_step_boundary_converges(
    killed: KilledIngest, bridge: FakeBridge, tmp_path: Path, seed: int
) -> None:
    cases = [(step, when) for step in STEPS for when in ("before", "after")]
    dies_and_converges(killed, bridge, tmp_path / "pages", seed, *cases)
