"""OpenAI's `/v1/audio/transcriptions`: a recording in, what was said in it out."""

from collections.abc import Mapping
from typing import Annotated, Final, NamedTuple

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.datastructures import FormData, UploadFile

from servers.speech.http.answers import UsageDep
from servers.speech.recogniser.models import RecogniserModel
from servers.speech.recogniser.recogniser import Recogniser
from servers.speech.recogniser.transcript import FORMATS, Format, Transcript, plain, srt, verbose, vtt
from servers.web.door import IGNORED, RECORDING
from tools.access.identity import current
from tools.errors import BadRequest, ModelNotFound, NotSupported, TooLarge
from tools.schema import JsonObject

PATH: Final = "/v1/audio/transcriptions"
MAX_BYTES: Final = 25 * 2**20
"""A recording's, as at OpenAI."""
FORMS: Final = {PATH: RECORDING}
MODELS: Final = ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe")
"""OpenAI's names: here one model answers to all of them, and to its own."""
MAX_FIELDS: Final = 24
MAX_PROMPT: Final = 4_000
GRANULARITIES: Final = "timestamp_granularities[]"
HEEDED: Final = {"file", "model", "language", "prompt", "response_format", "temperature", GRANULARITIES}

router = APIRouter(tags=["openai"])


def recogniser_of(request: Request) -> Recogniser:
    """The recogniser that the app's lifespan opened. Raises `NotSupported` (501), with the way to get one."""
    found: Recogniser | RecogniserModel = request.app.state.recogniser
    if isinstance(found, RecogniserModel):
        raise NotSupported(found.missing or "", source="speech", code="no_recogniser")
    return found


RecogniserDep = Annotated[Recogniser, Depends(recogniser_of)]


class Wishes(NamedTuple):
    """The fields of a request, but for the file."""

    form: Format
    language: str | None
    prompt: str | None
    temperature: float
    granularities: frozenset[str]
    ignored: tuple[str, ...]


@router.post(PATH, response_class=Response)
async def transcriptions(request: Request, recogniser: RecogniserDep, usage: UsageDep) -> Response:
    """Write a recording down; the fields come as OpenAI's clients send them."""
    async with request.form(max_files=1, max_fields=MAX_FIELDS) as fields:
        wishes = _wishes(fields, recogniser.model.name)
        recording = await _recording(fields)
    transcript = await recogniser.transcribe(
        recording,
        language=wishes.language,
        prompt=wishes.prompt,
        temperature=wishes.temperature,
        words="word" in wishes.granularities,
    )
    usage.count(current(), model=recogniser.name, audio_s=transcript.duration_s)
    headers = {"x-speech-model": recogniser.model.name}
    if wishes.ignored:
        headers[IGNORED] = ", ".join(wishes.ignored)
    return _answer(transcript, wishes, headers)


def _answer(transcript: Transcript, wishes: Wishes, headers: Mapping[str, str]) -> Response:
    asked = wishes.granularities
    match wishes.form:
        case "json":
            return JSONResponse(plain(transcript), headers=headers)
        case "verbose_json":
            words, segments = "word" in asked, "segment" in asked or not asked
            return JSONResponse(verbose(transcript, words=words, segments=segments), headers=headers)
        case "text":
            return PlainTextResponse(transcript.text + "\n", headers=headers)
        case "srt":
            return PlainTextResponse(srt(transcript), headers=headers)
        case "vtt":
            return PlainTextResponse(vtt(transcript), headers=headers, media_type="text/vtt")


async def _recording(fields: FormData) -> bytes:
    """Raises `BadRequest`, `TooLarge`."""
    file = fields.get("file")
    if not isinstance(file, UploadFile):
        raise _refused("file", "a recording is needed")
    if (file.size or 0) > MAX_BYTES:
        raise TooLarge(f"a recording may have {MAX_BYTES} bytes", param="file", source="speech")
    if not file.size:
        raise _refused("file", "the file is empty", code="not_audio")
    return await file.read()


def _wishes(fields: FormData, name: str) -> Wishes:
    """Raises `ModelNotFound`, `BadRequest` for a value that is none, or a field that changes the answer and
    is not known here."""
    given = {key: value for key, value in fields.items() if isinstance(value, str)}
    model = given.get("model", MODELS[0])
    if model not in (*MODELS, name):
        known = ", ".join((*MODELS, name))
        raise ModelNotFound(f"no model {model[:64]!r}; models: {known}", param="model", source="speech")
    if given.get("stream", "false").lower() not in ("false", "0"):
        raise _refused("stream", "a transcript is answered as a whole: leave stream out", code="not_streamed")
    form = _form(given.get("response_format", "json"))
    asked = frozenset(str(value) for value in fields.getlist(GRANULARITIES))
    if not asked <= {"word", "segment"}:
        raise _refused("timestamp_granularities", "word, segment or both")
    if asked and form != "verbose_json":
        raise _refused("timestamp_granularities", "needs the response_format verbose_json")
    if len(given.get("prompt", "")) > MAX_PROMPT:
        raise _refused("prompt", f"may have {MAX_PROMPT} characters")
    return Wishes(
        form=form,
        language=given["language"].strip().lower() if given.get("language", "").strip() else None,
        prompt=given.get("prompt") or None,
        temperature=_temperature(given.get("temperature", "0")),
        granularities=asked,
        ignored=tuple(sorted(set(fields) - HEEDED - {"stream"})),
    )


def _form(given: str) -> Format:
    for form in FORMATS:
        if form == given:
            return form
    raise _refused("response_format", f"one of {', '.join(FORMATS)}")


def _temperature(given: str) -> float:
    try:
        temperature = float(given)
    except ValueError:
        temperature = -1.0
    if not 0 <= temperature <= 1:
        raise _refused("temperature", "a number from 0 to 1")
    return temperature


def _refused(param: str, message: str, *, code: str = "invalid_value") -> BadRequest:
    return BadRequest(f"{param}: {message}", param=param, source="speech", code=code)


def models(found: Recogniser | RecogniserModel) -> list[str]:
    """The names by which the recogniser may be asked for; none where there is no recogniser."""
    return [*MODELS, found.model.name] if isinstance(found, Recogniser) else []


def state(found: Recogniser | RecogniserModel) -> JsonObject:
    """What `/details` tells of it."""
    if isinstance(found, RecogniserModel):
        return {"available": False, "reason": found.missing}
    loaded = found.synthesiser.process is not None
    languages = found.synthesiser.hello.get("languages")
    return {"available": True, "model": found.model.name, "languages": languages, "loaded": loaded}
