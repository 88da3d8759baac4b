"""`capibara6 ingest` takes paths, patterns and addresses; only a path that is not there is refused."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import free_ports


def ingest(home: Path, *sources: str) -> subprocess.CompletedProcess[str]:
    """The command on a machine where no Prefect listens."""
    [port] = free_ports(1)
    environment = {
        **os.environ,
        "CAPIBARA6_HOME": str(home),
        "CAPIBARA6_PORTS__PREFECT": str(port),
        "COLUMNS": "200",
    }
    return subprocess.run(
        [sys.executable, "-m", "servers", "ingest", *sources],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_path_that_is_not_there_is_refused_before_anything_starts(tmp_path: Path) -> None:
    done = ingest(tmp_path, "nothing/here.md")
    assert done.returncode == 2
    assert "nothing/here.md: no existe" in done.stderr


@pytest.mark.parametrize("source", ["https://www.example.org/page", "s3://bucket/prefix", "notes/*.md"])
def test_what_is_no_path_goes_to_the_flow(source: str, tmp_path: Path) -> None:
    done = ingest(tmp_path, source)
    assert done.returncode == 1
    assert "no existe" not in done.stderr
    assert done.stderr.startswith("✗ ")
