"""`capibara6 models add|show|test|bench|remove`, against a pool elsewhere and trial pools."""

import json

import pytest
from typer.testing import CliRunner

from servers.pool.catalog.catalog import load_user_catalog, user_catalog
from servers.pool.cli import models
from tests.pool.catalog.files import write_folder, write_gguf
from tests.pool.harness import free_port, make_settings, model, write_catalog
from tools.settings import Settings


def run(*words: str):
    return CliRunner().invoke(models.app, list(words), env={"COLUMNS": "200"})


def said(result) -> str:
    return " ".join(result.output.split())


@pytest.fixture
def elsewhere(tmp_path, journal, in_thread):
    """The address of another house's pool: its model `big` answers, `sick` fails."""
    sick = model(journal, knobs={"status": 500}, attempts=1)
    catalog = write_catalog(tmp_path / "elsewhere.toml", {"big": model(journal), "sick": sick})
    return in_thread(make_settings(tmp_path / "elsewhere", catalog))


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Settings:
    """A house whose pool does not run, and which has no model of its own yet."""
    settings = make_settings(tmp_path / "home", tmp_path / "none.toml")
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CAPIBARA6_POOL", json.dumps({"weights": str(tmp_path / "weights"), "load_s": 60}))
    monkeypatch.setenv("CAPIBARA6_PORTS", json.dumps({"pool": free_port()}))
    return settings.model_copy(update={"pool": settings.pool.model_copy(update={"catalog": None})})


def test_a_model_at_a_url_is_looked_at_tried_written_measured_and_removed(settings, elsewhere):
    added = run("add", "casa", f"{elsewhere}/v1", "--upstream", "big")
    assert added.exit_code == 0, added.output
    assert "Responde: t0 t1" in said(added) and "reiníciala" in said(added)
    spec = load_user_catalog(settings).models["casa"]
    assert (spec.urls, spec.upstream, spec.domain) == ((elsewhere,), "big", "general")
    shown = run("show", "casa")
    assert elsewhere in shown.output and str(user_catalog(settings)) in shown.output
    assert "incorporado" in run("show", "phi4_fast").output
    measured = run("bench", "casa", "--tokens", "8", "--json")
    told = json.loads(measured.stdout.splitlines()[-1])
    assert [row["streams"] for row in told["streams"]] == [1, 8]
    assert all(row["rate"] > 0 and row["first_s"] > 0 for row in told["streams"])
    again = run("add", "casa", elsewhere, "--upstream", "big", "--no-test")
    assert again.exit_code == 1 and "--replace" in said(again)
    assert run("remove", "casa").exit_code == 0
    assert "casa" not in load_user_catalog(settings).ids


def test_a_model_that_does_not_answer_is_not_written(settings, elsewhere):
    added = run("add", elsewhere, "--upstream", "sick")
    assert added.exit_code == 1 and "No se ha añadido nada" in said(added)
    assert not user_catalog(settings).exists()


def test_weights_without_their_engine_say_what_is_missing(settings, tmp_path, monkeypatch):
    pool = {"weights": str(tmp_path / "weights"), "vllm_python": str(tmp_path / "none")}
    monkeypatch.setenv("CAPIBARA6_POOL", json.dumps(pool))
    folder = write_folder(tmp_path / "Mini")
    added = run("add", str(folder))
    assert added.exit_code == 1 and "make vllm" in said(added)
    assert "LlamaForCausalLM" in added.output, "it was looked at before"
    added = run("add", "mini", str(folder), "--no-test", "--domain", "legal")
    assert added.exit_code == 0, added.output
    spec = load_user_catalog(settings).models["mini"]
    assert (spec.weights, spec.domain, spec.backend) == (str(folder), "legal", "vllm")
    gguf = write_gguf(tmp_path / "m.gguf", {"general.architecture": "llama"})
    added = run("add", str(gguf), "--no-test")
    assert added.exit_code == 1 and "make vllm" in said(added)
    assert run("remove", "mini", "--weights").exit_code == 0
    assert folder.is_dir(), "weights that lie elsewhere are a person's own"


def test_an_adapter_is_written_into_its_base(settings, tmp_path):
    folder = tmp_path / "legal"
    folder.mkdir()
    refused = run("add", str(folder), "--base", "phi4_fast", "--no-test")
    assert refused.exit_code == 1 and "no LoRA adapter" in said(refused)
    (folder / "adapter_config.json").write_text(json.dumps({"r": 8, "base_model_name_or_path": "x/y"}))
    assert run("add", str(folder), "--base", "extractive", "--no-test").exit_code == 1
    added = run("add", str(folder), "--base", "phi4_fast", "--domain", "legal", "--no-test")
    assert added.exit_code == 0, added.output
    spec = load_user_catalog(settings).models["legal"]
    assert (spec.adapter_of, spec.adapter, spec.domain) == ("phi4_fast", str(folder), "legal")


@pytest.mark.parametrize(
    "words",
    [
        ("add", "/none"),
        ("add", "x", "/etc/passwd"),
        ("add", "http://127.0.0.1:9", "--kind", "poetry"),
        ("add", "http://127.0.0.1:9", "--key-file", "/none"),
        ("show", "none"),
        ("test", "none"),
        ("bench", "none"),
        ("remove", "none"),
        ("remove", "phi4_fast"),
    ],
)
def test_what_can_not_be_done_is_one_clear_sentence(settings, words):
    refused = run(*words)
    assert refused.exit_code == 1
    assert "✗" in refused.output and "Traceback" not in refused.output
