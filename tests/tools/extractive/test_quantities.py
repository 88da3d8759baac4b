import pytest

from tools.extractive.quantities import spellings, ungrouped

pytestmark = pytest.mark.pure


@pytest.mark.parametrize(
    "text", ["2021-05-04", "4 de mayo de 2021", "May 4, 2021", "4 May 2021", "04/05/2021"]
)
def test_one_day_has_the_same_spellings_however_it_is_written(text: str) -> None:
    assert {"4", "04", "05", "mayo", "may", "2021"} <= spellings(text)


@pytest.mark.parametrize("number", ["1.500", "1,500"])
def test_thousands_are_read_without_what_parts_them(number: str) -> None:
    assert ungrouped(number) == "1500"
    assert "1500" in spellings(f"cuesta {number} euros")


def test_decimals_and_versions_stay_what_they_are() -> None:
    assert ungrouped("1.80") == "1.80"
    assert ungrouped("2.5.1") == "2.5.1"


def test_month_that_is_none_makes_no_date() -> None:
    assert "13" not in spellings("4/13/2021")
    assert spellings("sin cifras") == frozenset()
