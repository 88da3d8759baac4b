"""The voices of this server, and the choice of one by id or language."""

from dataclasses import dataclass

from pydantic import BaseModel

from tools.errors import BadRequest, VoiceNotFound
from tools.schema import Language

ENGINE = "espeak-ng"


class VoiceView(BaseModel):
    """A voice in an answer; `default` when it speaks for its language unless another is named."""

    id: str
    name: str
    language: Language
    region: str
    gender: str
    engine: str
    default: bool


@dataclass(frozen=True)
class Voice:
    """A voice of espeak-ng: `espeak` is its name there, `pitch_range` (0-100) how much the pitch moves."""

    id: str
    name: str
    language: Language
    region: str
    gender: str
    espeak: str
    pitch_range: int = 55

    def view(self) -> VoiceView:
        """The voice as clients see it."""
        return VoiceView(
            id=self.id,
            name=self.name,
            language=self.language,
            region=self.region,
            gender=self.gender,
            engine=ENGINE,
            default=self in DEFAULTS,
        )


# Chosen by measure among the library's variants: steady level, no clipping, pitch in a natural range.
VOICES = (
    Voice("es_lucia", "Lucía", "es", "es-ES", "female", "es+f2"),
    Voice("es_mateo", "Mateo", "es", "es-ES", "male", "es+Mario"),
    Voice("es_valeria", "Valeria", "es", "es-419", "female", "es-419+f3"),
    Voice("es_diego", "Diego", "es", "es-419", "male", "es-419+Michael"),
    Voice("en_emma", "Emma", "en", "en-US", "female", "en-us+f2"),
    Voice("en_noah", "Noah", "en", "en-US", "male", "en-us+Michael"),
    Voice("en_alice", "Alice", "en", "en-GB", "female", "en-gb-x-rp+f3"),
    Voice("en_james", "James", "en", "en-GB", "male", "en-gb-x-rp+Mario"),
)
DEFAULTS = (VOICES[0], VOICES[4])


def choose(voice_id: str | None, language: str | None) -> Voice:
    """The named voice, or the language's default (Spanish when neither is said).

    A language may be a tag such as `es-MX`.
    Raises `VoiceNotFound` with the list of voices, `BadRequest` for a language that none speaks.
    """
    if voice_id:
        return _named(voice_id)
    wanted = (language or "es").lower().replace("_", "-").partition("-")[0]
    for voice in DEFAULTS:
        if voice.language == wanted:
            return voice
    raise BadRequest(
        f"no voice speaks {language!r}; languages: es, en",
        param="language",
        source="speech",
        code="language_not_supported",
    )


def _named(voice_id: str) -> Voice:
    for voice in VOICES:
        if voice.id == voice_id:
            return voice
    known = ", ".join(voice.id for voice in VOICES)
    raise VoiceNotFound(f"no voice {voice_id[:64]!r}; voices: {known}", param="voice_id", source="speech")
