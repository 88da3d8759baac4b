"""Toolset `speech`: a short text read aloud."""

from mcp.types import AudioContent, ContentBlock
from pydantic import Field

from servers.mcp.toolbox import Arguments, Call, Tool
from tools.schema import Language, SpeechRequest


class Speaking(Arguments):
    text: str = Field(min_length=1, max_length=2_000)
    language: Language = "es"
    voice_id: str | None = Field(default=None, max_length=128)


async def speak(given: Speaking, call: Call) -> list[ContentBlock]:
    """Read a text aloud (WAV). Lee en voz alta."""
    speech = await call.clients.speech.speak(SpeechRequest(**given.model_dump()))
    return [AudioContent(type="audio", data=speech.audio, mime_type="audio/wav")]


TOOLS = (Tool(speak, Speaking, "Speak / Hablar", "speech"),)
