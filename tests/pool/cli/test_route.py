import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from servers.pool.cli.route import route
from tests.pool.harness import free_port

APP = typer.Typer()
APP.command()(route)


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No pool runs, and the caller's settings play no part."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAPIBARA6_PORTS__POOL", str(free_port()))
    monkeypatch.setenv("COLUMNS", "200")


def test_table_says_model_reason_and_weights() -> None:
    said = CliRunner().invoke(APP, ["Escribe una función en Python que sume"]).output
    assert "Merece: qwen_coder" in said
    assert "pide trabajo con código" in said
    assert "chance.coding" in said


def test_json_is_the_whole_decision() -> None:
    said = CliRunner().invoke(APP, ["--json", "Prove that 2 is prime"]).output
    assert json.loads(said)["wanted"] == "gptoss_complex"
