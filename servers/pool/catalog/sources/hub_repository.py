"""A repository of the hub: its listing and its small files, read without fetching the weights."""

import tempfile
from dataclasses import replace
from pathlib import Path

import httpx2
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
from huggingface_hub.utils import disable_progress_bars

from servers.pool.catalog.download import is_needed, translated
from servers.pool.catalog.sources.facts import Facts
from servers.pool.catalog.sources.weights_folder import chat_template, check_files, describe, read_json
from tools.errors import Unavailable
from tools.schema import JsonObject

SMALL = ("config.json", "tokenizer_config.json", "chat_template.jinja")


def inspect_hub(repository: str, *, token: str | None = None) -> Facts:
    """What the repository holds; blocking. Raises BadRequest, NotFound, Forbidden (gated), Unavailable."""
    disable_progress_bars()
    try:
        info = HfApi(token=token).model_info(repository, files_metadata=True)
        files = {file.rfilename: file.size or 0 for file in info.siblings or []}
        check_files(repository, {name for name in files if is_needed(name) or "/" not in name})
        with tempfile.TemporaryDirectory() as folder:
            for name in SMALL:
                if name in files:
                    hf_hub_download(repository, name, revision=info.sha, local_dir=folder, token=token)
            return _facts(repository, info.sha or "main", Path(folder), files)
    except OfflineModeIsEnabled as exc:
        raise Unavailable("the hub can not be used: HF_HUB_OFFLINE is set", source="hub") from exc
    except HfHubHTTPError as exc:
        raise translated(repository, "main", exc) from exc
    except httpx2.HTTPError as exc:
        why = f"the hub is not reachable: no network, or a proxy in between ({type(exc).__name__})"
        raise Unavailable(why, source="hub") from exc


def _facts(repository: str, commit: str, folder: Path, files: dict[str, int]) -> Facts:
    small: dict[str, JsonObject] = {
        name: read_json(folder / name) for name in SMALL[:2] if (folder / name).is_file()
    }
    jinja = folder / SMALL[2]
    template = jinja.read_text(encoding="utf-8") if jinja.is_file() else chat_template(small)
    facts = describe(repository.rpartition("/")[2], small["config.json"], template, set(files))
    size = sum(size for name, size in files.items() if is_needed(name) and name.endswith(".safetensors"))
    return replace(facts, place={"hub": repository, "revision": commit}, weight_bytes=size)
