"""The voices of this server, and the choice of one by id, by OpenAI's names or by language. Pure."""

from dataclasses import dataclass, replace
from typing import Final, Literal

from pydantic import BaseModel

from tools.errors import BadRequest, VoiceNotFound
from tools.schema import Language

Engine = Literal["espeak-ng", "kokoro", "coqui"]
ESPEAK: Final = "espeak-ng"
KOKORO: Final = "kokoro"
COQUI: Final = "coqui"


class VoiceView(BaseModel):
    """A voice in an answer; `default` when it speaks for its language unless another is named, `available`
    when its engine is installed (another of its language and gender speaks where it is not). `openai` are the
    names by which OpenAI's clients get it, `sample` the path of an MP3 in which it says `sample_text`."""

    id: str
    name: str
    language: Language
    region: str
    gender: str
    engine: str
    default: bool
    available: bool
    openai: list[str]
    sample: str
    sample_text: str


@dataclass(frozen=True)
class Voice:
    """`source` is its name in its engine, `pitch_range` (0-100; espeak-ng) how much the pitch moves. A
    `private` one is its owner's, and its source the recording that it was cloned from, of that `version`."""

    id: str
    name: str
    language: Language
    region: str
    gender: str
    source: str
    engine: Engine = ESPEAK
    pitch_range: int = 55
    private: bool = False
    version: str = ""

    def in_language(self, language: Language) -> "Voice":
        """Itself, or who stands in for it in another language: same engine, same gender. A cloned voice
        speaks them all."""
        if language == self.language:
            return self
        return (
            replace(self, language=language) if self.private else _first(self.engine, language, self.gender)
        )

    def by(self, engine: Engine) -> "Voice":
        """Itself, or who stands in for it at another engine: same language, same gender where there is."""
        return self if engine == self.engine else _first(engine, self.language, self.gender)


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
NEURAL = (
    Voice("es_dora", "Dora", "es", "es-ES", "female", "ef_dora", KOKORO),
    Voice("es_alex", "Alex", "es", "es-ES", "male", "em_alex", KOKORO),
    Voice("es_santa", "Santa", "es", "es-ES", "male", "em_santa", KOKORO),
    Voice("en_heart", "Heart", "en", "en-US", "female", "af_heart", KOKORO),
    Voice("en_bella", "Bella", "en", "en-US", "female", "af_bella", KOKORO),
    Voice("en_michael", "Michael", "en", "en-US", "male", "am_michael", KOKORO),
    Voice("en_fenrir", "Fenrir", "en", "en-US", "male", "am_fenrir", KOKORO),
    Voice("en_isabella", "Isabella", "en", "en-GB", "female", "bf_isabella", KOKORO),
    Voice("en_george", "George", "en", "en-GB", "male", "bm_george", KOKORO),
)
MODELS = (
    Voice("es_coqui", "Coqui", "es", "es-ES", "female", "es", COQUI),
    Voice("en_coqui", "Coqui", "en", "en-US", "female", "en", COQUI),
)
"""Whoever speaks in the model that the settings name for the language."""
ALL = (*VOICES, *NEURAL, *MODELS)
BY_ID: Final = {voice.id: voice for voice in ALL}
DEFAULTS = (VOICES[0], VOICES[4])

# OpenAI's thirteen names → our voices by language (Spanish, English), at espeak-ng and at Kokoro.
OPENAI: Final[dict[str, dict[Engine, tuple[str, str]]]] = {
    "alloy": {ESPEAK: ("es_lucia", "en_emma"), KOKORO: ("es_dora", "en_heart")},
    "ash": {ESPEAK: ("es_mateo", "en_noah"), KOKORO: ("es_alex", "en_michael")},
    "ballad": {ESPEAK: ("es_diego", "en_james"), KOKORO: ("es_santa", "en_george")},
    "cedar": {ESPEAK: ("es_mateo", "en_noah"), KOKORO: ("es_alex", "en_fenrir")},
    "coral": {ESPEAK: ("es_valeria", "en_emma"), KOKORO: ("es_dora", "en_bella")},
    "echo": {ESPEAK: ("es_mateo", "en_noah"), KOKORO: ("es_alex", "en_michael")},
    "fable": {ESPEAK: ("es_diego", "en_james"), KOKORO: ("es_santa", "en_george")},
    "marin": {ESPEAK: ("es_valeria", "en_alice"), KOKORO: ("es_dora", "en_isabella")},
    "nova": {ESPEAK: ("es_lucia", "en_emma"), KOKORO: ("es_dora", "en_heart")},
    "onyx": {ESPEAK: ("es_diego", "en_noah"), KOKORO: ("es_santa", "en_fenrir")},
    "sage": {ESPEAK: ("es_valeria", "en_alice"), KOKORO: ("es_dora", "en_isabella")},
    "shimmer": {ESPEAK: ("es_valeria", "en_emma"), KOKORO: ("es_dora", "en_bella")},
    "verse": {ESPEAK: ("es_mateo", "en_james"), KOKORO: ("es_alex", "en_george")},
}


def choose(voice_id: str | None, language: str | None, *, engine: Engine = ESPEAK) -> Voice:
    """The named voice, or the engine's for the language (Spanish when neither is said).

    `voice_id` is one of ours or of OpenAI's, in which `language` and `engine` decide who that is here. A
    language may be a tag such as `es-MX`.
    Raises `VoiceNotFound` with the list of voices, `BadRequest` for a language that none speaks.
    """
    if voice_id and voice_id in BY_ID:
        return BY_ID[voice_id]
    if voice_id and voice_id not in OPENAI:
        known = ", ".join([*BY_ID, *OPENAI])
        raise VoiceNotFound(f"no voice {voice_id[:64]!r}; voices: {known}", param="voice_id", source="speech")
    spoken = _spoken(language)
    if voice_id:
        return BY_ID[openai_voices(voice_id, engine)[("es", "en").index(spoken)]]
    return next(voice for voice in ALL if (voice.engine, voice.language) == (engine, spoken))


def openai_voices(name: str, engine: Engine) -> tuple[str, str]:
    """Who one of OpenAI's voices is here, in Spanish and in English."""
    return OPENAI[name].get(engine, ("es_coqui", "en_coqui"))


def _spoken(language: str | None) -> Language:
    match (language or "es").lower().replace("_", "-").partition("-")[0]:
        case "es":
            return "es"
        case "en":
            return "en"
        case _:
            raise BadRequest(
                f"no voice speaks {language!r}; languages: es, en",
                param="language",
                source="speech",
                code="language_not_supported",
            )


def _first(engine: Engine, language: Language, gender: str) -> Voice:
    able = [voice for voice in ALL if (voice.engine, voice.language) == (engine, language)]
    return next((voice for voice in able if voice.gender == gender), able[0])
