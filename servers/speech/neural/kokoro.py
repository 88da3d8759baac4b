"""Kokoro-82M by ONNX Runtime: a program of its own, so that its memory goes when it ends.

Run as `python -I kokoro.py MODEL STYLES THREADS` by `synthesiser.py`, in the frames of `../pipe.py`: a job
is JSON `{ids, style, speed}`, phonemes as the model numbers them and the name of a style. Styles are float32
(510, 1, 256): one for each count of phonemes (hexgrad/Kokoro-82M, `kokoro/pipeline.py`).
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

from servers.speech.pipe import open_pipe

SAMPLE_RATE = 24_000
MAX_IDS = 500
SPACE = 16
FULL_SCALE = 32_767


class Model:
    """The loaded model, and the styles that were asked for."""

    def __init__(self, model: str, styles: str, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Threads that wait by spinning take the cores from those that have work.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.folder = Path(styles)
        self.styles: dict[str, np.ndarray] = {}

    def speak(self, ids: list[int], style: str, speed: float) -> bytes:
        """16-bit mono samples at `SAMPLE_RATE`."""
        table = self._style(style)
        feed = {
            "tokens": np.array([[0, *ids, 0]], dtype=np.int64),
            "style": table[min(len(ids), len(table) - 1)],
            "speed": np.array([speed], dtype=np.float32),
        }
        names = [one.name for one in self.session.get_inputs()]
        # Exports differ in the first one's name: `tokens` or `input_ids`.
        given = {name: feed.get(name, feed["tokens"]) for name in names}
        if next(one.type for one in self.session.get_inputs() if one.name == "speed") != "tensor(float)":
            given["speed"] = np.array([max(round(speed), 1)], dtype=np.int32)
        samples = np.asarray(self.session.run(None, given)[0]).squeeze()
        return (np.clip(samples, -1, 1) * FULL_SCALE).astype("<i2").tobytes()

    def _style(self, name: str) -> np.ndarray:
        if name not in self.styles:
            self.styles[name] = np.fromfile(self.folder / f"{name}.bin", np.float32).reshape(-1, 1, 256)
        return self.styles[name]


def parts(ids: list[int]) -> list[list[int]]:
    """What the model takes at once, cut at spaces."""
    found: list[list[int]] = []
    while len(ids) > MAX_IDS:
        spaces = [place for place, one in enumerate(ids[:MAX_IDS]) if one == SPACE]
        cut = spaces[-1] if spaces else MAX_IDS
        found.append(ids[:cut])
        ids = ids[cut:]
    return [*found, ids]


def main(model: str, styles: str, threads: str) -> int:
    """Say hello, then serve until the input ends. The status is 1 when the model does not load."""
    pipe = open_pipe()
    try:
        loaded = Model(model, styles, int(threads))
    except Exception as exc:  # noqa: BLE001 # ONNX Runtime raises classes of its own for each fault of a file.
        pipe.send(b"F", f"kokoro does not load: {exc}".encode())
        return 1
    pipe.send(b"H", json.dumps({"sample_rate": SAMPLE_RATE, "version": onnxruntime.__version__}).encode())
    while (frame := pipe.receive()) is not None:
        kind, body = frame
        if kind != b"J":
            continue
        job = json.loads(body)
        try:
            for ids in parts(job["ids"]):
                pipe.send(b"S", loaded.speak(ids, job["style"], job["speed"]))
        except (OSError, ValueError) as exc:
            pipe.send(b"F", f"kokoro failed: {exc}".encode())
            continue
        pipe.send(b".")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
