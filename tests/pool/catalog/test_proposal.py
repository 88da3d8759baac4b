"""How a model that was looked at should stand in the catalogue, and a house's file that takes it."""

import pytest

from servers.pool.catalog.catalog import ModelSpec, load_catalog
from servers.pool.catalog.proposal import Machine, model_id, propose
from servers.pool.catalog.sources.facts import Facts
from servers.pool.catalog.user_file import add_adapter, add_model, remove_model
from tools.errors import BadRequest, Conflict, ModelNotFound

GIB = 2**30
ENGINE = GIB
LAPTOP = Machine(8 * GIB, ENGINE, gpu=False)
EMBEDDER = {"backend": "ollama", "ollama": "bge-m3", "kind": "embedding"}


def facts(name="Mini-1B", **fields) -> Facts:
    known = {
        "place": {"weights": "/w"},
        "parameters": 10**9,
        "weight_bytes": 2 * GIB,
        "context_tokens": 131_072,
        "token_bytes": 2**15,
    }
    return Facts(name, "vllm", **{**known, **fields})


def context(fields) -> int:
    return int(fields["args"][fields["args"].index("--max-model-len") + 1])


def test_an_engine_gets_the_context_that_the_machine_can_hold():
    on_laptop, on_gpu = propose(facts(), LAPTOP), propose(facts(), Machine(80 * GIB, ENGINE, gpu=True))
    assert (context(on_laptop), context(on_gpu)) == (8192, 32_768)
    assert propose(facts(context_tokens=4096), LAPTOP)["args"][1] == "4096", "never more than the model's own"
    tight = Machine(3 * GIB + 2**27, ENGINE, gpu=False)
    fields = propose(facts(), tight)
    assert context(fields) == 2048
    assert context(fields) * 2**15 < fields["kv_bytes"] <= 2**27, (
        "one whole context, and no more than is free"
    )


def test_a_model_that_does_not_fit_says_what_it_needs():
    with pytest.raises(BadRequest, match=r"needs \d+ MiB, and 3072 MiB are free"):
        propose(facts(), Machine(3 * GIB, ENGINE, gpu=False))
    assert propose(facts(), Machine(None, ENGINE, gpu=False))["kv_bytes"] > 0, "nobody knows: it is tried"


@pytest.mark.parametrize(
    ("name", "size", "domain"),
    [
        ("Qwen2.5-Coder-7B", 7e9, "coding"),
        ("DeepSeek-R1-Distill-8B", 8e9, "expert"),
        ("Llama-3.1-8B", 8e9, "technical"),
        ("Mistral-Small-24B", 24e9, "expert"),
        ("SmolLM2-135M", 1.3e8, "general"),
    ],
)
def test_a_domain_is_proposed_from_name_and_size(name, size, domain):
    machine = Machine(None, ENGINE, gpu=True)
    assert propose(facts(name, parameters=int(size)), machine)["domain"] == domain
    assert propose(facts(name), machine, domain="legal")["domain"] == "legal"


@pytest.mark.parametrize("kind", ["chat", "embedding", "rerank", "transcription", "speech"])
def test_what_is_proposed_is_an_entry_of_the_catalogue(kind):
    fields = propose(facts(kind=kind, abilities=frozenset({"images", "tools"}), args=("--x", "y")), LAPTOP)
    spec = ModelSpec(id=model_id("Ünï corn/7B"), **fields)
    assert (spec.kind, spec.weights) == (kind, "/w")
    assert spec.args[-2:] == ("--x", "y")


def test_an_id_is_made_of_any_name_that_has_a_letter():
    assert model_id("Phi 4 (mini)") == "Phi-4-mini"
    with pytest.raises(BadRequest):
        model_id("¿?")


def test_a_model_is_written_over_the_built_in_ones_and_taken_out_again(tmp_path):
    file = tmp_path / "home/models.toml"
    add_model(file, "mine", EMBEDDER)
    assert load_catalog(file).ids == ("mine", *load_catalog().ids)
    with pytest.raises(Conflict, match="--replace"):
        add_model(file, "mine", EMBEDDER)
    add_model(file, "mine", {**EMBEDDER, "ollama": "other"}, replace=True)
    assert load_catalog(file).models["mine"].ollama == "other"
    assert remove_model(file, "mine")["ollama"] == "other"
    assert load_catalog(file).ids == load_catalog().ids
    with pytest.raises(ModelNotFound):
        remove_model(file, "mine")
    with pytest.raises(BadRequest, match="comes with capibara6"):
        remove_model(file, "phi4_fast")


def test_what_a_person_wrote_beside_it_stays(tmp_path):
    file = tmp_path / "models.toml"
    file.write_text(
        "# nuestra casa\n[auto]\nquality = 0.2  # barato\n\n[models.phi4_fast]\nconcurrency = 4\n"
    )
    add_model(file, "mine", EMBEDDER)
    add_adapter(file, "phi4_fast", "legal", {"weights": "/l"})
    text = file.read_text()
    assert "# nuestra casa" in text and "# barato" in text
    catalog = load_catalog(file)
    assert catalog.models["legal"].adapter_of == "phi4_fast" and catalog.models["phi4_fast"].concurrency == 4
    remove_model(file, "legal")
    assert "legal" not in load_catalog(file).ids


def test_a_file_that_the_change_would_break_stays_as_it_was(tmp_path):
    file = tmp_path / "models.toml"
    add_model(file, "mine", EMBEDDER)
    add_model(file, "second", {**EMBEDDER, "fallbacks": ["mine"]})
    before = file.read_text()
    with pytest.raises(BadRequest, match="mine"):
        remove_model(file, "mine")
    with pytest.raises(BadRequest, match="speed"):
        add_model(file, "third", {**EMBEDDER, "speed": 1})
    assert file.read_text() == before
    assert [one.name for one in tmp_path.iterdir()] == ["models.toml"]
    file.write_text("[models.a")
    with pytest.raises(BadRequest, match=r"models\.toml"):
        add_model(file, "b", EMBEDDER)
