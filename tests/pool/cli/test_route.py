import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from servers.pool.cli.route import route
from servers.pool.feedback import Feedback
from servers.pool.routing.classifier import DOMAINS, Classification
from tests.pool.harness import free_port, make_settings, write_catalog

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


def test_curve_is_drawn_over_recorded_outcomes(tmp_path: Path) -> None:
    file = tmp_path / "outcomes.jsonl"
    rows = [
        {"prompt": "hola", "weak": True, "strong": True},
        {"prompt": "Prove that every group of order 15 is cyclic.", "weak": False, "strong": True},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    said = CliRunner().invoke(APP, ["--curve", str(file)])
    assert said.exit_code == 0
    assert "calidad" in said.output
    assert "2 resultados" in said.output
    assert "APGR 0.667" in said.output
    assert "1.0  100.0%  100.0%  100.0%  " + "█" * 40 + "┃" in said.output


def test_curve_without_a_file_is_the_one_measured_when_the_router_was_fitted() -> None:
    said = CliRunner().invoke(APP, ["--curve"])
    assert said.exit_code == 0
    assert "preguntas con opciones, no vistas al ajustar" in said.output
    assert "problemas contados" in said.output
    assert said.output.count("APGR 0.6") == 2, "options and told problems, each on folds that were not fitted"


def test_wish_for_quality_moves_the_decision() -> None:
    ask = ["--json", "Hola, ¿qué tal?"]
    cheap, best = (
        json.loads(CliRunner().invoke(APP, [*ask, "--quality", wish]).output) for wish in ("0", "1")
    )
    assert (cheap["wanted"], best["wanted"]) == ("phi4_fast", "gptoss_complex")
    assert CliRunner().invoke(APP, [*ask, "--quality", "2"]).exit_code == 2


def test_question_that_is_missing_is_told_so_and_every_option_is_described() -> None:
    said = CliRunner().invoke(APP, [" "])
    assert said.exit_code == 2
    assert "falta la pregunta" in said.output
    told = " ".join(CliRunner().invoke(APP, ["--help"]).output.split())
    for words in ("ha enseñado al enrutador", "vuelve a ser el de fábrica", "qué cuesta y qué gana"):
        assert words in told


def test_curve_of_a_file_that_holds_no_outcomes_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "no.jsonl"
    for text in ("not json\n", '{"prompt": "x"}\n', "[1]\n", ""):
        file.write_text(text, encoding="utf-8")
        assert CliRunner().invoke(APP, ["--curve", str(file)]).exit_code == 1
    assert CliRunner().invoke(APP, ["--curve", str(tmp_path / "absent")]).exit_code == 1


def test_what_the_house_has_taught_is_shown_and_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_thread: Callable[..., str]
) -> None:
    catalog = write_catalog(tmp_path / "models.toml", {"e": {"backend": "extractive"}})
    settings = make_settings(tmp_path / "home", catalog)
    shipped = Classification(dict.fromkeys(DOMAINS, 0.25), 0.2, {})
    feedback = Feedback(settings.home / "routing")
    for number in range(40):
        feedback.record(
            "default", shipped._replace(difficulty=0.1 + number / 1_000), "down", domain="general"
        )
    feedback.refit("default")
    monkeypatch.setenv("CAPIBARA6_PORTS__POOL", in_thread(settings).rsplit(":", 1)[1])
    shown = CliRunner().invoke(APP, ["--feedback"]).output
    assert "40 opiniones: down 40" in shown
    assert "difficulty: 40 con que ajustar" in shown
    assert "en uso" in shown
    assert json.loads(CliRunner().invoke(APP, ["--reset", "--json"]).output)["events"] == 0
    assert "0 opiniones" in CliRunner().invoke(APP, ["--feedback"]).output


def test_feedback_without_a_pool_is_told_so() -> None:
    said = CliRunner().invoke(APP, ["--feedback"])
    assert said.exit_code == 1
    assert "La pool no responde" in said.output
