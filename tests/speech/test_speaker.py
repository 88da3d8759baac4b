import asyncio

import pytest

from servers.speech.speaker import open_speaker
from servers.speech.voices import VOICES
from tools.errors import QueueFull, UpstreamSilent

LONG = "palabra " * 1_200


async def test_a_full_queue_refuses_and_recovers():
    async with open_speaker(queue=2) as speaker:
        spoken = await asyncio.gather(
            *(speaker.speak("hola a todos", voice=VOICES[0]) for _ in range(5)), return_exceptions=True
        )
        assert sum(isinstance(result, QueueFull) for result in spoken) == 3
        assert (await speaker.speak("hola", voice=VOICES[0])).duration_s > 0
        assert speaker.waiting == 0


async def test_a_hundred_parallel_texts_do_not_mix():
    async with open_speaker(queue=100) as speaker:
        alone = {voice: await speaker.speak("uno dos tres", voice=voice) for voice in VOICES}
        wanted = [VOICES[i % len(VOICES)] for i in range(100)]
        spoken = await asyncio.gather(*(speaker.speak("uno dos tres", voice=voice) for voice in wanted))
        assert all(
            abs(sound.duration_s - alone[voice].duration_s) < 0.1
            for voice, sound in zip(wanted, spoken, strict=True)
        )


async def test_a_text_over_the_deadline_fails_and_the_next_one_is_spoken():
    async with open_speaker(deadline_s=0.01) as speaker:
        with pytest.raises(UpstreamSilent):
            await speaker.speak(LONG, voice=VOICES[0])
        speaker.espeak.deadline_s = 10
        assert (await speaker.speak("hola", voice=VOICES[0])).duration_s > 0


async def test_a_caller_who_leaves_frees_the_voice():
    async with open_speaker() as speaker:
        job = asyncio.create_task(speaker.speak(LONG, voice=VOICES[0]))
        await asyncio.sleep(0)
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        assert speaker.waiting == 0
        assert (await speaker.speak("hola", voice=VOICES[0])).duration_s > 0
