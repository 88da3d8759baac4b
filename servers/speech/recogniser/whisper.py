"""Whisper by CTranslate2 (`faster-whisper`): a program of its own, and the only code that loads it.

Run as `python -I whisper.py MODEL DOWNLOADS THREADS` by `../synthesiser.py`, in the frames of `../pipe.py`:
MODEL is a folder, a size or a hub's name, which is kept below DOWNLOADS. A job is JSON `{path, language,
prompt, temperature, words}`; `S` carries JSON, either `{language, duration, segments}` or `{refused}`, the
reason why the file is none that can be heard. The wheel of `av`, which decodes, carries x264 and x265 (GPL).
"""

import json
import math
import sys
from itertools import chain
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from faster_whisper import WhisperModel
from faster_whisper.version import __version__

from servers.speech.pipe import Pipe, open_pipe

SAMPLE_RATE = 16_000
MAX_S = 4 * 3_600
"""Seconds of sound: 25 MB of speech in a low bit rate are many hours, and each takes 230 MB as samples."""
CONTAINERS = "wav,w64,mp3,flac,ogg,matroska,mov,aac,aiff,caf,amr"
"""FFmpeg's readers of sound. Playlists are none of them: they name files and addresses to be opened."""
WARMER = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Temperatures that are tried one after the other while a segment looks like a failure (OpenAI's Whisper)."""


class Unheard(Exception):
    """The file is no sound that is taken; the message says why."""


def decode(path: str) -> np.ndarray:
    """The first sound of a file as float32 (n,) in [-1, 1] at `SAMPLE_RATE`. Raises `Unheard`."""
    parts: list[np.ndarray] = []
    count = 0
    try:
        with av.open(path, options={"format_whitelist": CONTAINERS}, metadata_errors="ignore") as file:
            if not file.streams.audio:
                raise Unheard("there is no sound in the file")
            resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
            for frame in chain(file.decode(file.streams.audio[0]), (None,)):
                for piece in resampler.resample(frame):
                    parts.append(piece.to_ndarray()[0])
                    count += len(parts[-1])
                if count > MAX_S * SAMPLE_RATE:
                    raise Unheard(f"the recording is longer than {MAX_S // 3_600} hours")
    except FFmpegError as exc:
        raise Unheard("the file is no recording in wav, mp3, flac, ogg, webm, m4a, mp4 or aac") from exc
    if not count:
        raise Unheard("there is no sound in the file")
    return np.concatenate(parts)


def hear(model: WhisperModel, job: dict[str, Any], pipe: Pipe) -> dict[str, Any] | None:
    """The transcript of one job; None when it was stopped."""
    try:
        samples = decode(job["path"])
    except Unheard as exc:
        return {"refused": str(exc)}
    temperature = job["temperature"]
    segments, about = model.transcribe(
        samples,
        language=job["language"],
        initial_prompt=job["prompt"],
        temperature=temperature or WARMER,
        word_timestamps=job["words"],
        vad_filter=True,  # In silence the model hears sentences of its training.
    )
    found: list[dict[str, Any]] = []
    for number, segment in enumerate(segments):
        if pipe.waiting():
            return None
        found.append(_plain(number, segment))
    return {"language": about.language, "duration": len(samples) / SAMPLE_RATE, "segments": found}


def _plain(number: int, segment: Any) -> dict[str, Any]:
    """A segment with OpenAI's fields; `words` where they were asked for."""
    words = [{"word": one.word.strip(), "start": one.start, "end": one.end} for one in segment.words or ()]
    return {
        "id": number,
        "seek": segment.seek,
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "text": segment.text,
        "tokens": segment.tokens,
        "temperature": segment.temperature,
        "avg_logprob": segment.avg_logprob if math.isfinite(segment.avg_logprob) else 0.0,
        "compression_ratio": segment.compression_ratio,
        "no_speech_prob": segment.no_speech_prob,
        "words": words,
    }


def main(model: str, downloads: str, threads: str) -> int:
    """Say hello, then serve until the input ends. The status is 1 when the model does not load."""
    pipe = open_pipe()
    try:
        loaded = WhisperModel(
            model, device="auto", compute_type="auto", cpu_threads=int(threads), download_root=downloads
        )
    except Exception as exc:  # noqa: BLE001 # The hub's client and CTranslate2 raise classes of their own.
        pipe.send(b"F", f"whisper does not load {model}: {exc}".encode())
        return 1
    languages = loaded.supported_languages
    hello = {"sample_rate": SAMPLE_RATE, "version": __version__, "languages": languages}
    pipe.send(b"H", json.dumps(hello).encode())
    while (frame := pipe.receive()) is not None:
        kind, body = frame
        if kind != b"J":
            continue
        try:
            answer = hear(loaded, json.loads(body), pipe)
        except (OSError, RuntimeError, ValueError) as exc:
            pipe.send(b"F", f"whisper failed: {exc}".encode())
            continue
        if answer is not None:
            pipe.send(b"S", json.dumps(answer).encode())
        pipe.send(b".")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
