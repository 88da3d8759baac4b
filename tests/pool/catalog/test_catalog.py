"""A house's own catalogue over the built-in one, adapters, and what a kind of model is asked."""

import pytest

from servers.pool.catalog.catalog import load_catalog, load_user_catalog, user_catalog
from servers.pool.catalog.kinds import PATHS, misfit
from tests.pool.harness import make_settings, model

BUILT_IN = load_catalog()


@pytest.fixture
def read(tmp_path):
    def read(text: str):
        file = tmp_path / "models.toml"
        file.write_text(text)
        return load_catalog(file)

    return read


def test_a_house_adds_a_model_and_keeps_the_others(read):
    catalog = read('[models.mine]\nbackend = "ollama"\nollama = "llama3:8b"\n')
    assert catalog.ids == ("mine", *BUILT_IN.ids)
    assert catalog.auto == BUILT_IN.auto and catalog.consensus == BUILT_IN.consensus


def test_a_built_in_model_is_changed_field_by_field(read):
    catalog = read("[models.phi4_fast]\nconcurrency = 3\n[auto]\nquality = 0.9\n")
    before, after = BUILT_IN.models["phi4_fast"], catalog.models["phi4_fast"]
    assert after == before.model_copy(update={"concurrency": 3})
    assert catalog.auto is not None and BUILT_IN.auto is not None
    assert catalog.auto == BUILT_IN.auto.model_copy(update={"quality": 0.9})


def test_a_built_in_model_that_is_served_elsewhere_keeps_what_it_is_for_alone(read):
    catalog = read('[models.qwen_coder]\nbackend = "openai"\nurls = ["http://gpu:8000"]\n')
    spec = catalog.models["qwen_coder"]
    assert (spec.domain, spec.fallbacks) == ("coding", ("mistral_balanced", "phi4_fast"))
    assert (spec.hub, spec.ollama, spec.args, spec.weights) == (None, None, (), None)


def test_the_built_in_models_can_be_left_out(read):
    catalog = read('built_in = false\n[models.e]\nbackend = "extractive"\n')
    assert catalog.ids == ("e",) and catalog.auto is None


def test_the_house_s_models_lie_in_its_home(tmp_path):
    settings = make_settings(tmp_path, tmp_path / "none.toml")
    settings = settings.model_copy(update={"pool": settings.pool.model_copy(update={"catalog": None})})
    assert load_user_catalog(settings).ids == BUILT_IN.ids
    user_catalog(settings).write_text('[models.mine]\nbackend = "extractive"\n')
    assert load_user_catalog(settings).ids[0] == "mine"


MISSHAPEN = (
    "models = 3\n",
    "[models]\na = 1\n",
    '[models.a]\nbackend = "extractive"\nadapters = 1\n',
    '[models.a]\nbackend = "extractive"\n[models.a.adapters]\nb = "c"\n',
    '[models.a]\nbackend = "extractive"\n[models.a.adapters.phi4_fast]\nweights = "x"\n',
    '[models.a]\nbackend = "extractive"\n[models.a.adapters.b]\ndomain = "x"\n',
    '[models.a]\nbackend = "extractive"\nadapter_of = "phi4_fast"\n',
    "[models.a\n",
)


@pytest.mark.parametrize("text", MISSHAPEN)
def test_a_catalogue_of_another_shape_is_refused_with_its_name(read, text):
    with pytest.raises(ValueError, match=r"models\.toml"):
        read(text)


def test_a_request_of_another_kind_is_refused_with_the_path_to_take():
    for kind, paths in PATHS.items():
        assert all(misfit("m", kind, path) is None for path in (*paths, "/tokenize"))
        for other in PATHS:
            wrong = misfit("m", kind, PATHS[other][0])
            if other == kind or (kind, other) == ("embedding", "rerank"):
                assert wrong is None
                continue
            assert wrong is not None
            assert (wrong.status, wrong.code, wrong.param) == (400, "wrong_model", "model")
            assert kind in wrong.message and paths[0] in wrong.message


async def test_an_adapter_is_a_model_of_its_own_on_its_base_s_engine(open_client, journal):
    adapter = {"adapters.legal.weights": "legal", "adapters.legal.domain": "expert"}
    async with open_client({"base": model(journal, domain="general", **adapter)}) as client:
        status, said = await client.chat("legal")
        assert (status, said["echo"]["model"]) == (200, "legal"), "the engine is told the adapter's name"
        status, said = await client.chat("base")
        assert (status, said["echo"]["model"]) == (200, "base")
        assert len(client.written("start")) == 1, "one engine serves both"
        _, listed = await client.get("/v1/models")
        assert [(one["id"], one["domain"], one["status"]) for one in listed["data"]] == [
            ("base", "general", "loaded"),
            ("legal", "expert", "loaded"),
        ]
        await client.post("/v1/models/legal/unload")
        await client.until(lambda: not client.pool.lifecycle.engines)


async def test_a_model_for_audio_is_not_asked_to_chat(open_client, journal):
    async with open_client({"ears": model(journal, kind="transcription")}) as client:
        status, said = await client.chat("ears")
        assert (status, said["error"]["code"]) == (400, "wrong_model")
        assert "/v1/audio/transcriptions" in said["error"]["message"]
        assert not client.written("start"), "nothing was loaded for it"


IMAGE = [
    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}
]
TOOL = {"type": "function", "function": {"name": "f"}}


async def test_what_a_model_is_said_not_to_be_able_to_do_is_refused_or_done_by_its_fallback(
    open_client, journal
):
    models = {
        "reader": model(journal, abilities=["schema"]),
        "helped": model(journal, abilities=[], fallbacks=["maker"]),
        "maker": model(journal, abilities=["tools"]),
        "silent": model(journal),
    }
    async with open_client(models) as client:
        for body in ({"tools": [TOOL]}, {"messages": IMAGE}):
            asked = {"messages": [{"role": "user", "content": "x"}], "model": "reader", **body}
            status, said = await client.post("/v1/chat/completions", asked)
            assert (status, said["error"]["code"]) == (400, "wrong_model")
            assert "its abilities are schema" in said["error"]["message"]
        assert not client.written("start")
        shape = {"type": "json_object"}
        assert (await client.chat("reader", response_format=shape))[0] == 200
        _, said = await client.chat("helped", tools=[TOOL])
        assert said["model"] == "maker"
        assert (await client.chat("silent", tools=[TOOL]))[0] == 200, "nothing said: the engine decides"


async def test_a_model_without_weights_is_absent_and_says_how_to_get_them(open_client, tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    models = {
        "pulled": {"backend": "vllm", "weights": "a", "hub": "some/where"},
        "own": {"backend": "vllm", "weights": "b"},
    }
    async with open_client(models, vllm_python=python, weights=tmp_path / "w") as client:
        _, listed = await client.get("/v1/models")
        told = {one["id"]: one for one in listed["data"]}
        assert [one["status"] for one in told.values()] == ["absent", "absent"]
        assert "models pull pulled" in told["pulled"]["reason"]
        assert "pull" not in told["own"]["reason"] and "models add own" in told["own"]["reason"]
