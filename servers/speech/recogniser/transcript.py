"""A transcript, and how OpenAI's answers say it: JSON short and verbose, text, SubRip, WebVTT. Pure."""

from typing import Final, Literal, NamedTuple, get_args

from tools.schema import JsonObject

Format = Literal["json", "text", "verbose_json", "srt", "vtt"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)


class Transcript(NamedTuple):
    """`duration_s` is the recording's; `segments` have OpenAI's fields, and `words` where they were asked
    for; `language` is ISO 639-1."""

    language: str
    duration_s: float
    segments: list[JsonObject]

    @property
    def text(self) -> str:
        """All that was said."""
        return "".join(segment["text"] for segment in self.segments).strip()

    @property
    def words(self) -> list[JsonObject]:
        """Each with `start` and `end` in seconds."""
        return [word for segment in self.segments for word in segment["words"]]


def plain(transcript: Transcript) -> JsonObject:
    """OpenAI's `json`."""
    return {"text": transcript.text, "usage": _usage(transcript)}


def verbose(transcript: Transcript, *, words: bool, segments: bool) -> JsonObject:
    """OpenAI's `verbose_json`, with the granularities that were asked for."""
    told: JsonObject = {
        "task": "transcribe",
        "language": transcript.language,
        "duration": transcript.duration_s,
        "text": transcript.text,
        "usage": _usage(transcript),
    }
    if segments:
        kept = [
            {name: field for name, field in one.items() if name != "words"} for one in transcript.segments
        ]
        told["segments"] = kept
    if words:
        told["words"] = transcript.words
    return told


def srt(transcript: Transcript) -> str:
    """Subtitles: a number, a span and a text, an empty line between them."""
    return "".join(
        f"{number}\n{_span(segment, ',')}\n{_line(segment)}\n\n"
        for number, segment in enumerate(transcript.segments, 1)
    )


def vtt(transcript: Transcript) -> str:
    """WebVTT (W3C): a head, then cues. A text must not hold an arrow or markup."""
    cues = (f"{_span(segment, '.')}\n{_escaped(_line(segment))}\n\n" for segment in transcript.segments)
    return "WEBVTT\n\n" + "".join(cues)


def _usage(transcript: Transcript) -> JsonObject:
    return {"type": "duration", "seconds": round(transcript.duration_s)}


def _line(segment: JsonObject) -> str:
    return " ".join(segment["text"].split())


def _span(segment: JsonObject, mark: str) -> str:
    return f"{_clock(segment['start'], mark)} --> {_clock(segment['end'], mark)}"


def _clock(seconds: float, mark: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{mark}{rest % 1000:03}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
