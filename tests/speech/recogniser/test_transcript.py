"""How a transcript is told, and which model is looked for. Nothing is started."""

from pathlib import Path

import pytest

from servers.speech.recogniser.models import find_model
from servers.speech.recogniser.transcript import Transcript, plain, srt, verbose, vtt
from tests.speech.recogniser.wer import word_error_rate

pytestmark = pytest.mark.pure
WORDS = [{"word": "Tres", "start": 0.0, "end": 0.4}]
SEGMENTS = [
    {"id": 0, "start": 0.0, "end": 1.5, "text": " Tres modelos,", "words": WORDS},
    {"id": 1, "start": 3_661.25, "end": 3_662.9996, "text": " a < b --> c.", "words": []},
]
TRANSCRIPT = Transcript("es", 3_663.2, SEGMENTS)


def test_json_holds_the_text_and_what_it_cost() -> None:
    assert plain(TRANSCRIPT) == {
        "text": "Tres modelos, a < b --> c.",
        "usage": {"type": "duration", "seconds": 3_663},
    }


def test_verbose_json_holds_the_granularities_that_were_asked_for() -> None:
    segments = verbose(TRANSCRIPT, words=False, segments=True)
    assert "words" not in segments
    assert segments["segments"][0] == {"id": 0, "start": 0.0, "end": 1.5, "text": " Tres modelos,"}
    words = verbose(TRANSCRIPT, words=True, segments=False)
    assert (words["words"], "segments" in words) == (WORDS, False)


def test_subtitles_count_hours_and_round_to_milliseconds() -> None:
    assert srt(TRANSCRIPT) == (
        "1\n00:00:00,000 --> 00:00:01,500\nTres modelos,\n\n"
        "2\n01:01:01,250 --> 01:01:03,000\na < b --> c.\n\n"
    )


def test_a_cue_holds_no_markup_and_no_arrow() -> None:
    assert vtt(TRANSCRIPT).startswith("WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nTres modelos,\n\n")
    assert vtt(TRANSCRIPT).endswith("\na &lt; b --&gt; c.\n\n")


def test_what_is_no_model_says_so(tmp_path: Path) -> None:
    assert "off" in (find_model("off").missing or "")
    missing = find_model(str(tmp_path)).missing or ""
    assert "model.bin" in missing or "make stt" in missing


@pytest.mark.parametrize(
    ("heard", "rate"), [("Uno, dos tres", 0), ("uno tres", 1 / 3), ("", 1), ("no uno dos tres", 1 / 3)]
)
def test_word_errors_are_edits_for_each_word_said(heard: str, rate: float) -> None:
    assert word_error_rate("Uno dos tres.", heard) == pytest.approx(rate)
