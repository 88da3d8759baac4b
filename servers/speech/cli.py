"""`capibara6 say` and `capibara6 voices`, over the speech server's HTTP API."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, get_args

import typer
from rich.console import Console
from rich.table import Table

from tools.clients.speech import AudioFormat, VoiceInfo, open_speech
from tools.settings import load_command_settings

FORMATS: tuple[AudioFormat, ...] = get_args(AudioFormat)
SUFFIXES: dict[str, AudioFormat] = {**{f".{name}": name for name in FORMATS}, ".ogg": "opus"}


def say(
    text: Annotated[str, typer.Argument(help="El texto, o - para leerlo de la entrada. · The text.")],
    voice: Annotated[
        str | None, typer.Option(help="Voz: capibara6 voices. · Voice; by default the text's language.")
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Archivo (.mp3 .opus .aac .flac .wav .pcm), o - para la salida. · File.")
    ] = Path("voz.mp3"),
    speed: Annotated[float, typer.Option(min=0.25, max=4.0, help="Velocidad · speed.")] = 1.0,
) -> None:
    """Dice un texto en un archivo, mientras se hace. · Say a text into a file, while it is made."""
    settings = load_command_settings()
    words = sys.stdin.read() if text == "-" else text
    form = SUFFIXES.get(out.suffix.lower(), "mp3") if str(out) != "-" else "mp3"
    if out.suffix and out.suffix.lower() not in SUFFIXES:
        raise typer.BadParameter(f"{out.suffix}: {' '.join(SUFFIXES)}")

    async def run() -> tuple[int, str]:
        async with (
            open_speech(settings) as speech,
            speech.audio(words, voice=voice, form=form, speed=speed) as audio,
        ):
            size = 0
            # Opened once the server has begun to speak: a refusal leaves the file of before as it was.
            with sys.stdout.buffer if str(out) == "-" else out.open("wb") as file:
                async for chunk in audio.chunks:
                    file.write(chunk)
                    size += len(chunk)
            return size, audio.voice

    size, spoken_by = asyncio.run(run())
    if str(out) != "-":
        wrote = "Escrito" if settings.language == "es" else "Written"
        Console(highlight=False).print(f"{wrote} {out} · {size} bytes · {spoken_by}", markup=False)


def voices(
    samples: Annotated[
        Path | None, typer.Option(help="Carpeta para una muestra de cada voz. · Folder for their samples.")
    ] = None,
) -> None:
    """Las voces que hay, y cuál habla cada idioma. · The voices there are."""
    settings = load_command_settings()

    async def run() -> list[VoiceInfo]:
        async with open_speech(settings) as speech:
            found = await speech.voices()
            for voice in found if samples else ():
                if samples and voice["available"]:
                    samples.mkdir(parents=True, exist_ok=True)
                    (samples / f"{voice['id']}.mp3").write_bytes(await speech.sample(voice))
            return found

    spanish = settings.language == "es"
    heads = ("Voz", "Nombre", "Idioma", "Motor") if spanish else ("Voice", "Name", "Language", "Engine")
    view = Table(*heads, "")
    default, missing = ("por omisión", "falta") if spanish else ("default", "missing")
    for voice in asyncio.run(run()):
        how = f"{missing}: make {'tts' if voice['engine'] == 'coqui' else 'voices'}"
        note = default if voice["default"] else "" if voice["available"] else how
        view.add_row(voice["id"], voice["name"], voice["region"], voice["engine"], note)
    Console(highlight=False).print(view)
