"""Words and stems: the same on both sides of a search, stop words without one, names that meet."""

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from servers.bridge.text.title_names import name_of, names_in, query_names
from tools.text.words import fold, folded_words, root, stems, terms, tokens

pytestmark = pytest.mark.pure


def test_accents_case_and_plural_do_not_separate_words() -> None:
    assert stems("Canción", "es") == stems("CANCIONES", "es") == stems("cancion", "es")
    assert stems("loaded models", "en") == stems("LOADING model", "en")
    assert fold("Ñandú") == "nandu"


def test_invisible_characters_do_not_separate_letters() -> None:
    assert folded_words("ser\u00advidor \ufeffca\u200bché") == ["servidor", "cache"]


def test_folded_words_have_no_possessive() -> None:
    assert folded_words("What’s Tesla's don’t snake_case 1,5") == [
        "what",
        "tesla",
        "don't",
        "snake",
        "case",
        "1,5",
    ]


def test_stop_words_carry_no_stem_and_numbers_stay_whole() -> None:
    assert stems("¿Qué es el puerto 9669?", "es") == ["puert", "9669"]
    assert stems("what is 3.14", "en") == ["3.14"]


def test_words_that_only_ask_are_no_topic_but_are_indexed() -> None:
    assert terms("Dime el puerto, por favor", "es") == ["puert"]
    assert stems("Dime el puerto", "es") == ["dim", "puert"]


def test_a_title_counts_more_than_its_text() -> None:
    words = tokens("Port", "the bridge", "en").split()
    assert words.count("port") == 3
    assert words.count("bridg") == 1


def test_a_title_meets_its_mention_in_any_form() -> None:
    assert name_of("Aircraft carrier", "en") in names_in("They built aircraft carriers then.", "en")
    assert name_of("Mercury (planet)", "en") in names_in("Near Mercury it is hot.", "en")
    assert name_of("Mercury (planet)", "en") not in names_in("The mercury rose.", "en")


def test_question_names_are_runs_of_its_stems() -> None:
    assert "lester smith" in query_names("Which game did Lester Smith create?", ["en"])
    assert len(query_names("palabra " * 500, ["es"])) <= 120


def test_threads_that_stem_at_once_get_their_own_words_stems() -> None:
    """Documents of two requests are analysed in two threads."""
    endings = ("ationally", "fulnesses", "ization", "iveness", "ousness", "ability", "edly", "ing")
    made = [f"{first}{second}r{end}" for first in "bcdfgklmp" for second in "aeiou" for end in endings]
    root.cache_clear()
    alone = [root(word, "en") for word in made]
    root.cache_clear()
    together = Barrier(4)
    before = sys.getswitchinterval()
    with ThreadPoolExecutor(4) as threads:
        # All run before they are switched so often: coverage's tracer cannot be installed in two at once.
        list(threads.map(lambda _: together.wait(30), range(4)))
        sys.setswitchinterval(1e-6)
        try:
            found = list(threads.map(lambda turn: [root(word, "en") for word in made[turn::4]], range(4)))
        finally:
            sys.setswitchinterval(before)
    assert found == [alone[turn::4] for turn in range(4)]
