"""`capibara6 models …` against a real pool, and pulling from a hub that is not there."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from typer.testing import CliRunner

from servers.pool.catalog import download
from servers.pool.catalog.catalog import load_catalog
from servers.pool.cli import models
from tests.pool.harness import free_port, make_settings, model, write_catalog
from tools.errors import BadRequest, Unavailable


@pytest.fixture
def settings(tmp_path, journal, monkeypatch):
    models = {"a": model(journal), "gone": {"backend": "vllm", "weights": "none", "hub": "some/where"}}
    settings = make_settings(tmp_path / "home", write_catalog(tmp_path / "models.toml", models))
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    # The chat page, where another test has imported it, keeps its process away from the hub.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    return settings


def run(*words: str):
    return CliRunner().invoke(models.app, list(words), env={"COLUMNS": "200"})


def cells(table: str) -> set[str]:
    return {cell.strip() for line in table.splitlines() for cell in line.split("│")}


def test_models_are_listed_loaded_and_unloaded(settings, in_thread):
    in_thread(settings)
    said = run("list")
    assert said.exit_code == 0 and {"disponible", "no disponible"} <= cells(said.output)
    assert run("load", "a").output.endswith("a: cargado\n")
    assert run("unload", "a").exit_code == 0
    missing = run("load", "gone")
    assert missing.exit_code == 1 and "weights are missing" in " ".join(missing.output.split())
    assert run("load", "nobody").exit_code == 1


def test_without_a_pool_the_command_says_so(settings):
    said = run("list")
    assert said.exit_code == 1 and "not reachable" in said.output


def test_pulling_without_a_hub_is_one_clear_sentence(settings, monkeypatch):
    nowhere = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", nowhere)
    monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", nowhere)
    said = run("pull", "gone")
    assert said.exit_code == 1 and "not reachable" in " ".join(said.output.split())
    assert run("pull", "a").exit_code == 1


class Hub(BaseHTTPRequestHandler):
    """A hub whose every revision is commit `bbb`, and which never gives a file."""

    def do_GET(self) -> None:
        listing = {"id": "some/where", "sha": "b" * 40, "siblings": [{"rfilename": "m.safetensors"}]}
        body = json.dumps(listing).encode()
        self.send_response(200 if self.path.startswith("/api/models/some/where") else 404)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def hub(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", url)
    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    yield
    server.shutdown()
    thread.join()
    server.server_close()


def test_weights_stay_at_the_commit_they_were_pulled_at_unless_told_otherwise(settings, hub, tmp_path):
    spec = load_catalog(settings.pool.catalog).spec("gone").model_copy(update={"revision": "v2"})
    folder = tmp_path / "weights/none"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / download.PIN).write_text(json.dumps({"hub": "some/where", "revision": "a" * 40}))
    with pytest.raises(BadRequest, match="--update"):
        download.pull(spec, tmp_path / "weights", progress=lambda *_: None)
    assert (folder / "config.json").exists()
    with pytest.raises(Unavailable):
        download.pull(spec, tmp_path / "weights", progress=lambda *_: None, update=True)
    assert not (folder / "config.json").exists(), "half of another commit is no model"


def test_only_safe_files_of_one_format_are_pulled():
    there = ["model-1.safetensors", "config.json", "tokenizer.model", "chat_template.jinja", "merges.txt"]
    left = [
        "pytorch_model.bin",
        "modeling.py",
        "consolidated.safetensors",
        "original/a.safetensors",
        "x.gguf",
    ]
    assert all(download.is_needed(name) for name in there)
    assert not any(download.is_needed(name) for name in left)


def test_the_built_in_catalogue_is_whole():
    catalog = load_catalog()
    assert {"phi4_fast", "mistral_balanced", "qwen_coder", "gptoss_complex", "extractive"} <= set(catalog.ids)
    for spec in catalog.models.values():
        assert spec.description and (spec.backend == "extractive" or (spec.hub and spec.ollama))
        assert spec.backend == "extractive" or all(len(spec.examples[each]) >= 3 for each in ("es", "en"))


MISTAKES = (
    '[models.a]\nbackend = "vllm"\n',
    '[models.a]\nbackend = "openai"\n',
    '[models.a]\nbackend = "ollama"\n',
    '[models.a]\nbackend = "extractive"\nfallbacks = ["b"]\n',
    '[models.a]\nbackend = "extractive"\nspeed = 1\n',
    '[auto]\ndefault = "x"\nlast = "y"\n',
    '[models."a b"]\nbackend = "extractive"\n',
)


@pytest.mark.parametrize("text", MISTAKES)
def test_a_catalogue_with_a_mistake_names_the_file_and_the_mistake(tmp_path, text):
    file = tmp_path / "models.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"models\.toml"):
        load_catalog(file)
