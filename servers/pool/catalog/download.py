"""Downloads a model's weights from the hub: one revision, safetensors only, no code. Whole or not at all."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import httpx2
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
from huggingface_hub.utils import disable_progress_bars

from servers.pool.catalog.catalog import ModelSpec
from tools.errors import BadRequest, Capibara6Error, Forbidden, NotFound, Unavailable

FETCHED_ENDINGS = (".safetensors", ".json", ".txt", ".model", ".jinja")
"""No pickles, no Python, no other formats of the same weights."""
DUPLICATES = ("original/", "metal/", "onnx/", "consolidated")
PIN = "capibara6.json"
"""The file beside the weights that says which commit they are of."""

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the file that comes next, the number of files done, and that of all."""


def pull(
    spec: ModelSpec, weights: Path, *, progress: Progress, token: str | None = None, update: bool = False
) -> Path:
    """Fetch the weights of `spec` into its folder under `weights` and return it; blocking.

    The first pull resolves the revision to a commit and pins it beside the weights; later pulls keep to that
    commit, and only `update` takes another. Raises BadRequest (no source, another commit), NotFound,
    Forbidden (gated), Unavailable (offline).
    """
    if spec.hub is None or spec.weights is None:
        raise BadRequest(f"the catalogue names no source for {spec.id}", param="model", source="pool")
    folder = weights / spec.weights
    disable_progress_bars()
    try:
        pinned = _pinned_commit(folder, spec)
        revision = pinned if pinned and not update and spec.revision == "main" else spec.revision
        commit, files = _list_files(spec, revision, token)
        if pinned and commit != pinned:
            _leave_commit(folder, spec, pinned, commit, update=update)
        for done, name in enumerate(files):
            progress(name, done, len(files))
            hf_hub_download(spec.hub, name, revision=commit, local_dir=folder, token=token)
    except OfflineModeIsEnabled as exc:
        raise Unavailable("the hub can not be used: HF_HUB_OFFLINE is set", source="hub") from exc
    except HfHubHTTPError as exc:
        raise translated(spec.hub, spec.revision, exc) from exc
    except (OSError, httpx2.HTTPError) as exc:
        raise Unavailable(
            f"the hub is not reachable: no network, or a proxy in between ({type(exc).__name__})",
            source="hub",
        ) from exc
    (folder / PIN).write_text(json.dumps({"hub": spec.hub, "revision": commit}) + "\n", encoding="utf-8")
    progress("", len(files), len(files))
    return folder


def is_needed(name: str) -> bool:
    """Whether vLLM needs this file of a repository."""
    return name.endswith(FETCHED_ENDINGS) and not name.startswith(DUPLICATES)


def _list_files(spec: ModelSpec, revision: str, token: str | None) -> tuple[str, list[str]]:
    """The commit of a revision and the files of it that are needed. Raises NotFound without safetensors."""
    assert spec.hub is not None
    info = HfApi(token=token).model_info(spec.hub, revision=revision)
    names = [file.rfilename for file in info.siblings or [] if is_needed(file.rfilename)]
    if not any(name.endswith(".safetensors") for name in names):
        raise NotFound(f"{spec.hub} has no safetensors at {revision}", param="model", source="hub")
    # config.json last: its presence says that the weights are whole.
    return info.sha or revision, sorted(names, key=lambda name: (name == "config.json", name))


def _pinned_commit(folder: Path, spec: ModelSpec) -> str | None:
    """The commit that the weights on disk are of, if they are of this source."""
    try:
        pin: dict[str, str] = json.loads((folder / PIN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return pin["revision"] if pin.get("hub") == spec.hub else None


def _leave_commit(folder: Path, spec: ModelSpec, pinned: str, commit: str, *, update: bool) -> None:
    """Give up the commit on disk for another: refused, unless it is asked for."""
    if not update:
        raise BadRequest(
            f"{spec.id} is pinned to {pinned[:12]}; {spec.revision} is {commit[:12]}: pull with --update",
            param="revision",
            source="pool",
        )
    # Without it nobody takes a mixture of two commits for a model.
    (folder / "config.json").unlink(missing_ok=True)


def translated(repository: str, revision: str, exc: HfHubHTTPError) -> Capibara6Error:
    """The hub's refusal in our words."""
    status = getattr(exc.response, "status_code", 0)
    if status in (401, 403):
        return Forbidden(
            f"{repository} asks for an account that accepted its terms: set HF_TOKEN",
            param="model",
            source="hub",
        )
    if status == 404:
        return NotFound(f"the hub has no {repository} at {revision}", param="model", source="hub")
    return Unavailable(f"the hub answered HTTP {status}", source="hub")
