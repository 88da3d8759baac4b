"""A real speech server in this process, with its real middleware; espeak loads once for the whole folder."""

import io
import wave

import httpx
import numpy as np
import pytest

from servers.speech.main import build_app
from tests.conftest import settings_in


@pytest.fixture
async def http(tmp_path):
    app = build_app(settings_in(tmp_path))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield client


@pytest.fixture
def samples():
    """WAV bytes → (float samples in [-1, 1], sample rate); checks the file is 16-bit mono."""

    def read(data):
        with wave.open(io.BytesIO(data)) as file:
            assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
            raw = file.readframes(file.getnframes())
            return np.frombuffer(raw, dtype="<i2").astype(float) / 32_768, file.getframerate()

    return read
