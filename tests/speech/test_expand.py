"""Tables of what is written and what is heard, Spanish and English: `heard_es.txt`, `heard_en.txt`."""

from pathlib import Path

import pytest

from servers.speech.text.expand import expand
from servers.speech.text.numbers import cardinal, ordinal, roman, to_roman, year
from tools.schema import Language

pytestmark = pytest.mark.pure


def cases(language: Language) -> list[tuple[str, str]]:
    table = Path(__file__).with_name(f"heard_{language}.txt").read_text("utf-8")
    rows = [line.split(" | ") for line in table.splitlines()]
    return [(written, heard) for written, heard in rows]


@pytest.mark.parametrize(("written", "heard"), cases("es"))
def test_spanish_is_heard_as_people_read_it(written: str, heard: str) -> None:
    assert expand(written, "es") == heard


@pytest.mark.parametrize(("written", "heard"), cases("en"))
def test_english_is_heard_as_people_read_it(written: str, heard: str) -> None:
    assert expand(written, "en") == heard


@pytest.mark.parametrize("language", ["es", "en"])
def test_every_number_has_words_of_its_own(language: Language) -> None:
    numbers = [*range(1200), *range(1_000, 1_200_000, 997), 10**9, 10**12, 10**15, 10**20]
    assert len({cardinal(number, language) for number in numbers}) == len(set(numbers))
    for number in range(200):
        assert ordinal(number, language)
        assert not any(character.isdigit() for character in year(number * 15, language))


def test_roman_numerals_are_read_only_when_they_are_some() -> None:
    assert all(roman(to_roman(number)) == number for number in range(1, 4000))
    assert [roman(text) for text in ("", "IIII", "VX", "MMMM", "IC", "A")] == [0] * 6


@pytest.mark.parametrize("language", ["es", "en"])
@pytest.mark.parametrize(
    "nasty",
    ["1." * 120, "9" * 240, "1/" * 120, "a@" * 120, "٣" * 50, "1:1:" * 60, "$" * 240, "1-" * 120, "²" * 240],
)
def test_hostile_text_ends_without_an_error(nasty: str, language: Language) -> None:
    assert not any(character in "0123456789" for character in expand(nasty, language))
