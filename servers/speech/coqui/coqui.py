"""Coqui's models (`coqui-tts`): a program of the environment of `make tts`, the only code that loads them.

Run as `python -I coqui.py ROOT THREADS` by `../synthesiser.py`, in the frames of `../pipe.py`, which it finds
in ROOT. A job is JSON `{text, model, language, wav, speed}`: `model` is a folder with `config.json`, or a
name of Coqui's list, which is fetched when it is first asked for; `wav` is the path of a voice to be cloned.
The answer is the sample rate (four bytes, little endian), then the samples.
"""

import json
import random
import struct
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from TTS.api import TTS  # pyright: ignore[reportMissingImports]

FULL_SCALE = 32_767
SEED = 1


class Models:
    """Those that were asked for, by name."""

    def __init__(self) -> None:
        self.loaded: dict[str, TTS] = {}
        self.gpu = torch.cuda.is_available()

    def get(self, name: str) -> TTS:
        """Loaded, from its folder or from Coqui's list. Raises what Coqui raises."""
        if name not in self.loaded:
            folder = Path(name)
            if folder.is_dir():
                # A checkpoint is one file; a model of several (XTTS) reads its folder itself.
                files = [*folder.glob("*.pth")]
                place = folder if len(files) != 1 else files[0]
                tts = TTS(model_path=str(place), config_path=str(folder / "config.json"), progress_bar=False)
            else:
                tts = TTS(model_name=name, progress_bar=False)
            self.loaded[name] = tts.to("cuda") if self.gpu else tts
        return self.loaded[name]


def speak(models: Models, job: dict[str, Any]) -> bytes:
    """Sample rate and samples of one job."""
    tts = models.get(job["model"])
    assert tts.synthesizer is not None
    wishes: dict[str, Any] = {}
    if tts.is_multi_lingual:
        wishes["language"] = _known(job["language"], tts.languages or [])
    if job["wav"]:
        wishes["speaker_wav"] = job["wav"]
    elif tts.is_multi_speaker:
        wishes["speaker"] = (tts.speakers or [None])[0]
    model = tts.synthesizer.tts_model
    if hasattr(model, "length_scale"):
        model.length_scale = 1 / job["speed"]
    elif job["speed"] != 1:
        wishes["speed"] = job["speed"]
    # These models draw at random: the same text gives the same samples.
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(SEED)
    samples = np.asarray(tts.tts(job["text"], split_sentences=False, **wishes), dtype=np.float32)
    rate = int(tts.synthesizer.output_sample_rate)
    return struct.pack("<I", rate) + (np.clip(samples, -1, 1) * FULL_SCALE).astype("<i2").tobytes()


def _known(language: str, languages: list[str]) -> str:
    """`es` may be called `es-es` there."""
    return next((one for one in languages if one.partition("-")[0] == language), language)


def main(root: str, threads: str) -> int:
    """Say hello, then serve until the input ends; a job that fails says why and ends nothing."""
    sys.path.append(root)
    from servers.speech.pipe import open_pipe  # noqa: PLC0415 # The root is known only now.

    pipe = open_pipe()
    torch.set_num_threads(int(threads))
    models = Models()
    hello = {"sample_rate": 0, "version": version("coqui-tts"), "gpu": models.gpu}
    pipe.send(b"H", json.dumps(hello).encode())
    while (frame := pipe.receive()) is not None:
        kind, body = frame
        if kind != b"J":
            continue
        try:
            sound = speak(models, json.loads(body))
        except Exception as exc:  # noqa: BLE001 # Every model raises classes of its own.
            pipe.send(b"F", f"coqui: {type(exc).__name__}: {exc}"[:2_000].encode("utf-8", "replace"))
            continue
        pipe.send(b"S", sound)
        pipe.send(b".")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
