"""What pages of named origins may read of an answer is all that the services write into it."""

import re
from pathlib import Path

import pytest

from servers.web.door import EXPOSED

pytestmark = pytest.mark.pure


def test_every_header_of_an_answer_may_be_read_by_a_named_origin() -> None:
    asked = {"x-api-key", "x-mcp-toolsets", "x-capibara6-tenant", "x-capibara6-quality"}
    asked |= {"x-capibara6-timestamp", "x-capibara6-signature"}
    for_proxies_and_browsers = {"x-accel-buffering", "x-content-type-options"}
    written = {
        name
        for file in (Path(__file__).parents[2] / "servers").rglob("*.py")
        for name in re.findall(r'"(x-[a-z0-9]+-[a-z0-9-]*[a-z0-9])"', file.read_text(encoding="utf-8"))
        if "/speech/text/" not in file.as_posix()
    }
    assert "x-speech-voice" in written
    assert written - asked - for_proxies_and_browsers <= set(EXPOSED.decode().split(", "))
