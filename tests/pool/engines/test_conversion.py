"""The conversion of a GGUF file: whole or not at all. The program is a small one here; `test_real_weights.py`
asks the real one."""

from pathlib import Path

import pytest

from servers.pool.engines.conversion import convert
from tools.errors import BadRequest, ProgramFailed, StorageFull, Unavailable


@pytest.fixture
def python(tmp_path):
    """A function that makes the interpreter a shell script of the arguments -P, script, file and folder."""

    def write(script: str) -> Path:
        file = tmp_path / "python"
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        return file

    return write


async def test_a_converted_model_appears_whole(tmp_path, python):
    program = python('mkdir "$4" && cp "$3" "$4/model.safetensors"')
    (tmp_path / "m.gguf").write_text("weights")
    await convert(tmp_path / "m.gguf", tmp_path / "w/mini", python=program, size=7)
    assert (tmp_path / "w/mini/model.safetensors").read_text() == "weights"
    assert [one.name for one in (tmp_path / "w").iterdir()] == ["mini"]
    with pytest.raises(BadRequest, match="another name"):
        await convert(tmp_path / "m.gguf", tmp_path / "w/mini", python=program, size=7)


async def test_a_conversion_that_fails_leaves_nothing_and_says_why(tmp_path, python):
    program = python('mkdir "$4"; echo "architecture yeti is not supported" >&2; exit 1')
    with pytest.raises(ProgramFailed, match="architecture yeti is not supported"):
        await convert(tmp_path / "m.gguf", tmp_path / "w/mini", python=program, size=7)
    assert list((tmp_path / "w").iterdir()) == []


async def test_a_conversion_is_not_begun_without_its_program_or_its_room(tmp_path, python):
    with pytest.raises(Unavailable, match="make vllm"):
        await convert(tmp_path / "m.gguf", tmp_path / "w/mini", python=tmp_path / "none", size=7)
    with pytest.raises(StorageFull):
        await convert(tmp_path / "m.gguf", tmp_path / "w/mini", python=python("exit 0"), size=2**60)
