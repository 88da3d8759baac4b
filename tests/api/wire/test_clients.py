"""The other calls of OpenAI's client, unchanged, each answered or refused in a typed way."""

import json
from typing import Any

import openai
import pytest

from agents.registry import AGENTS
from tests.agents.peers import Knobs
from tools.errors import VoiceNotFound

QUESTION = "¿Cuántos modelos puede tener cargados a la vez el servidor?"


async def test_text_completions_answer_whole_and_streamed(client: openai.AsyncOpenAI) -> None:
    whole = await client.completions.create(model="capibara6", prompt=QUESTION, echo=True)
    assert whole.choices[0].text.startswith(QUESTION)
    assert "tres modelos" in whole.choices[0].text
    stream = await client.completions.create(model="capibara6", prompt=[QUESTION], stream=True)
    chunks = [chunk async for chunk in stream]
    assert "tres modelos" in "".join(chunk.choices[0].text for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"
    with pytest.raises(openai.BadRequestError):
        await client.completions.create(model="capibara6", prompt=["una", "dos"])


async def test_embeddings_come_by_the_embedders_name(client: openai.AsyncOpenAI, knobs: Knobs) -> None:
    made = await client.embeddings.create(model="all-MiniLM-L6-v2", input=["hola", "adiós"])
    assert [round(number, 3) for number in made.data[1].embedding] == [0.6, 0.8]
    assert knobs.asked["/api/v1/embeddings"][-1]["encoding_format"] == "base64"
    with pytest.raises(openai.NotFoundError) as caught:
        await client.embeddings.create(model="nobody", input="hola")
    assert "all-MiniLM-L6-v2" in str(caught.value)
    with pytest.raises(openai.BadRequestError):
        await client.embeddings.create(model="all-MiniLM-L6-v2", input=[[1, 2]])


async def test_audio_is_carried_to_speech_and_back(client: openai.AsyncOpenAI, knobs: Knobs) -> None:
    said = await client.audio.speech.create(model="tts-1", voice="alloy", input="Hola", speed=1.5)
    assert said.response.headers["content-type"] == "audio/mpeg"
    assert said.response.headers["x-speech-voice"] == "es"
    assert json.loads(said.content) == {"model": "tts-1", "voice": "alloy", "input": "Hola", "speed": 1.5}
    heard = await client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"hola", "audio/wav"))
    assert heard.text == "hola"
    knobs.speech_error = VoiceNotFound("no voice 'x'", param="voice", source="speech")
    with pytest.raises(openai.NotFoundError) as caught:
        await client.audio.speech.create(model="tts-1", voice="x", input="Hola")
    assert caught.value.code == "voice_not_found"


async def test_every_listed_model_can_be_retrieved(client: openai.AsyncOpenAI) -> None:
    listed = [model.id async for model in client.models.list()]
    assert listed[: len(AGENTS)] == list(AGENTS)
    for name in listed:
        assert (await client.models.retrieve(name)).id == name


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.images.generate(prompt="x"),
        lambda client: client.moderations.create(input="x"),
        lambda client: client.batches.list(),
        lambda client: client.fine_tuning.jobs.list(),
        lambda client: client.vector_stores.list(),
        lambda client: client.chat.completions.list(),
    ],
)
async def test_what_is_not_here_is_a_typed_refusal(client: openai.AsyncOpenAI, call: Any) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        await call(client)
    assert caught.value.status_code in (404, 405)
    assert caught.value.code in ("not_found", "bad_request")
