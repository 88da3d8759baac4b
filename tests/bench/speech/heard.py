"""Intelligibility: the word error rate of each English voice, as Whisper tiny.en hears it (`make stt`)."""

import statistics
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from servers.speech.recogniser.models import find_model
from servers.speech.recogniser.recogniser import Recogniser
from servers.speech.speaker import Speaker
from servers.speech.voices import ALL, ESPEAK, KOKORO
from tests.speech.recogniser.wer import word_error_rate

SAID = (
    "The server keeps three models loaded at the same time. If one fails, another goes on in its place.",
    "Good morning. The weather is cold today, so please take a warm coat and close the window.",
    "My brother works in a small library near the river, where people read books every afternoon.",
)


async def heard(speaker: Speaker, downloads: Path) -> None:
    """A line for each voice that speaks here; nothing where there is no recogniser."""
    model = find_model("auto")
    if model.missing is not None:
        print(f"intelligibility: {model.missing}")
        return
    engines = (ESPEAK, KOKORO) if speaker.kokoro is not None else (ESPEAK,)
    with ThreadPoolExecutor(1) as thread:
        recogniser = Recogniser(model, thread, downloads=downloads, threads=1, deadline_s=300)
        for voice in ALL:
            if voice.language != "en" or voice.engine not in engines:
                continue
            rates = []
            for text in SAID:
                sound = await speaker.speak(text, voice=voice)
                found = await recogniser.transcribe(sound.wav(), language="en")
                rates.append(word_error_rate(text, found.text))
            print(f"{voice.id:22} word error rate {statistics.mean(rates):.3f}")
        await recogniser.close()
