"""What is known of a model before it is loaded: from a folder, a GGUF file, the hub, Ollama, a URL."""

import json

import pytest

from servers.pool.catalog.sources.hub_repository import inspect_hub
from servers.pool.catalog.sources.inspect import Access, find_source, inspect
from servers.pool.catalog.sources.weights_folder import inspect_folder
from tests.pool.catalog.files import TEMPLATE, TOOLS, answering, write_folder, write_gguf
from tools.errors import BadRequest, Capibara6Error, Forbidden, NotFound, Unavailable, UpstreamFailed

HEAD = {
    "general.architecture": "llama",
    "general.file_type": 3,
    "llama.block_count": 2,
    "llama.context_length": 2048,
    "llama.embedding_length": 64,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "llama.rope.freq_base": 10000.0,
    "tokenizer.ggml.add_bos_token": False,
    "tokenizer.ggml.tokens": ["a", "b", "ñ"],
}


def look(text, url="http://127.0.0.1:9", **access):
    return inspect(find_source(str(text)), Access(url, **access))


def test_a_folder_tells_its_size_context_cache_and_what_it_can_do(tmp_path):
    facts = look(write_folder(tmp_path / "Mini-Instruct", template=TOOLS))
    assert (facts.name, facts.architecture, facts.kind) == ("Mini-Instruct", "LlamaForCausalLM", "chat")
    assert (facts.parameters, facts.context_tokens) == (6000, 4096)
    assert facts.token_bytes == 2 * 2 * 2 * 16 * 2, "two layers' keys and values, two heads of 16 numbers"
    assert facts.abilities == {"schema", "tools"} and facts.args[-1] == "hermes"
    assert facts.weight_bytes is not None and facts.weight_bytes > 3000 * 4 + 3000 * 2
    assert facts.place == {"weights": str((tmp_path / "Mini-Instruct").resolve())}


@pytest.mark.parametrize(
    ("config", "kind", "able"),
    [
        ({"vision_config": {}, "architectures": ["LlavaForConditionalGeneration"]}, "chat", "images"),
        ({"audio_config": {}, "text_config": {"hidden_size": 8}}, "chat", "audio"),
        ({"architectures": ["WhisperForConditionalGeneration"]}, "transcription", None),
        ({"architectures": ["XLMRobertaForSequenceClassification"]}, "rerank", None),
        ({"architectures": ["BertModel"]}, "embedding", None),
    ],
)
def test_an_architecture_tells_the_kind(tmp_path, config, kind, able):
    facts = look(write_folder(tmp_path / "m", config))
    assert facts.kind == kind
    assert facts.abilities is None if able is None else able in (facts.abilities or ())


@pytest.mark.parametrize(
    ("template", "parser", "thinks"),
    [
        (TEMPLATE, None, False),
        ("{{ tools }}[TOOL_CALLS]", "mistral", False),
        ("{{ tools }}<tool_call><function=", "qwen3_coder", False),
        ("{{ tools }}<tool_call><think>", "hermes", True),
    ],
)
def test_a_chat_template_tells_of_tools_and_thinking(tmp_path, template, parser, thinks):
    facts = look(write_folder(tmp_path / "m", {"model_type": "qwen3"}, template=template))
    words = dict(zip(facts.args, facts.args[1:], strict=False))
    assert words.get("--tool-call-parser") == parser
    assert words.get("--reasoning-parser") == ("qwen3" if thinks else None)
    assert ("thinking" in (facts.abilities or ())) == thinks


def test_a_model_without_a_template_or_with_code_of_its_own_says_so(tmp_path):
    facts = look(write_folder(tmp_path / "m", {"auto_map": {"AutoModel": "x.Y"}}, template=None))
    assert facts.template is False and len(facts.notes) == 2


def spoil(folder, what):
    match what:
        case "pickles":
            (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
        case "nothing":
            (folder / "model.safetensors").unlink()
        case "no config":
            (folder / "config.json").unlink()
        case "config":
            (folder / "config.json").write_text("[1]")
        case "cut":
            file = folder / "model.safetensors"
            file.write_bytes(file.read_bytes()[:-10])
        case "head":
            (folder / "model.safetensors").write_bytes(b"\xff" * 40)
        case "diffusers":
            (folder / "model_index.json").write_text("{}")
        case "adapter":
            (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "a/b"}))


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("pickles", "pickles"),
        ("nothing", "no weights"),
        ("no config", "no config.json"),
        ("config", "no JSON object"),
        ("cut", "cut off"),
        ("head", "not a whole safetensors"),
        ("diffusers", "diffusers"),
        ("adapter", "LoRA adapter of a/b: add it with --base"),
    ],
)
def test_a_folder_that_can_not_be_served_says_what_is_wrong(tmp_path, what, said):
    folder = write_folder(tmp_path / "m")
    spoil(folder, what)
    with pytest.raises(BadRequest, match=said):
        inspect_folder(folder)


def test_a_gguf_file_tells_the_same_without_its_weights_being_read(tmp_path):
    file = write_gguf(tmp_path / "mini.Q4.gguf", {**HEAD, "tokenizer.chat_template": TOOLS})
    facts = look(file)
    assert (facts.name, facts.architecture, facts.parameters) == ("mini.Q4", "llama", 24)
    assert (facts.context_tokens, facts.token_bytes, facts.weight_bytes) == (2048, 256, 48)
    assert facts.args[-1] == "hermes" and facts.place == {"gguf": str(file.resolve())}
    assert "converted" in facts.notes[0]


def test_a_gguf_file_that_is_none_or_none_alone_is_refused(tmp_path):
    whole = write_gguf(tmp_path / "m.gguf", HEAD)
    for cut in (0, 3, 20, 60, len(whole.read_bytes()) - 170):
        broken = tmp_path / "cut.gguf"
        broken.write_bytes(whole.read_bytes()[:cut])
        with pytest.raises(BadRequest, match="not a whole GGUF file"):
            look(broken)
    with pytest.raises(BadRequest, match="2 parts"):
        look(write_gguf(tmp_path / "m-00001-of-00002.gguf", HEAD))
    with pytest.raises(BadRequest, match="projector"):
        look(write_gguf(tmp_path / "p.gguf", {"general.architecture": "clip"}))


def test_ollama_tells_context_size_and_abilities():
    shown = {
        "details": {"family": "llama", "quantization_level": "Q4_K_M"},
        "model_info": {
            "general.architecture": "llama",
            "general.parameter_count": 3_212_749_888,
            "llama.context_length": 131_072,
        },
        "capabilities": ["completion", "tools"],
        "template": "{{ .Prompt }}",
    }
    tags = {"models": [{"name": "llama3.2:latest", "size": 2_019_393_189}]}
    with answering({"/api/show": shown, "/api/tags": tags}) as url:
        facts = look("llama3.2", url)
    assert facts.place == {"ollama": "llama3.2"} and facts.backend == "ollama"
    assert (facts.context_tokens, facts.weight_bytes) == (131_072, 2_019_393_189)
    assert facts.abilities == {"schema", "tools"}
    with answering({"/api/tags": tags}) as url, pytest.raises(NotFound, match="ollama pull phi3"):
        look("phi3", url)
    with answering({"/api/show": [1], "/api/tags": {}}) as url, pytest.raises(UpstreamFailed):
        look("phi3", url)
    with pytest.raises(Unavailable, match="no Ollama answers"):
        look("phi3")


def test_a_url_tells_its_models_and_wants_one_to_be_chosen():
    listed = {"data": [{"id": "org/Big-7B", "max_model_len": 8192}, {"id": "other"}]}
    with answering({"/v1/models": listed}, key="k") as url:
        with pytest.raises(BadRequest, match="--upstream: org/Big-7B, other"):
            look(f"{url}/v1", key="k")
        facts = look(f"{url}/v1", key="k", upstream="org/Big-7B")
        assert (facts.name, facts.context_tokens, facts.backend) == ("Big-7B", 8192, "openai")
        assert facts.place == {"urls": [url], "upstream": "org/Big-7B"}
        for key, said in ((None, "--key-file"), ("x", "refuses")):
            with pytest.raises(Forbidden, match=said):
                look(url, key=key)
    with answering({"/v1/models": {"data": 3}}) as url, pytest.raises(UpstreamFailed):
        look(url)
    with pytest.raises(Unavailable):
        look("http://127.0.0.1:9")


def test_the_hub_is_read_without_its_weights(monkeypatch):
    config = json.dumps({"architectures": ["Qwen3ForCausalLM"], "max_position_embeddings": 40_960}).encode()
    files = [{"rfilename": "config.json", "size": len(config)}, {"rfilename": "m.safetensors", "size": 1500}]
    listing = {"id": "org/Tiny", "sha": "c" * 40, "siblings": files}
    answers = {"/api/models/org/Tiny": listing, f"/org/Tiny/resolve/{'c' * 40}/config.json": config}
    with answering(answers) as url:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", url)
        template = url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        facts = inspect_hub("org/Tiny")
        assert facts.place == {"hub": "org/Tiny", "revision": "c" * 40}
        assert (facts.weight_bytes, facts.context_tokens) == (1500, 40_960)
        with pytest.raises(NotFound):
            inspect_hub("org/None")


@pytest.mark.parametrize("text", ["", "  ", "./none", "/none", "none.gguf", "a/b/c", "hf.co/a/b:Q4"])
def test_what_names_nothing_is_refused(text):
    with pytest.raises(Capibara6Error) as caught:
        find_source(text)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("text", "kind"),
    [("microsoft/phi-4", "hub"), ("hub:phi", "hub"), ("phi3:mini", "ollama"), ("ollama:me/mine", "ollama"),
     ("http://gpu:8000/v1", "url"), (".", "folder")],
)  # fmt: skip
def test_a_source_is_told_by_its_form(text, kind):
    assert find_source(text).kind == kind
