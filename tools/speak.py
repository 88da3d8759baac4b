"""The speech tool: an answer read aloud."""

import re

from tools.clients.speech import SpeechClient
from tools.schema import Language, Speech, SpeechRequest

_MARK = re.compile(r"\s*\[\d{1,3}\]")
_UNSPOKEN = re.compile(r"```.*?```|[*_`#>|]|https?://\S+", re.DOTALL)


async def speak(
    text: str, *, speech: SpeechClient, language: Language = "es", voice: str | None = None
) -> Speech:
    """Read `text` aloud, by `voice` where one is named; marks, code and addresses are left out. WAV, at most
    10,000 characters."""
    asked = SpeechRequest(text=spoken(text)[:10_000] or "…", language=language, voice_id=voice)
    return await speech.speak(asked)


def spoken(text: str) -> str:
    """What a voice should say of a Markdown text."""
    return " ".join(_UNSPOKEN.sub(" ", _MARK.sub("", text)).split())
