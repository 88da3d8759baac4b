"""The ensemble: which texts the English embedder reads, and what cosines its vectors have."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from servers.bridge.embedding.embedder import Purpose
from servers.bridge.embedding.ensemble import Ensemble, in_english

pytestmark = pytest.mark.pure

ENGLISH, SPANISH = "The river rises in the north.", "El río nace en el norte."
OTHERS = [
    "Die Straße führt nach Berlin, und was wir in der Stadt gesehen haben, war sehr schön; es gab viele "
    "Menschen an den Märkten, die so lange warteten, bis die Händler kamen.",
    "La ville est située sur la Seine, dans le nord du pays, et on y trouve de nombreux musées.",
    "Amsterdam is de hoofdstad van Nederland en was in de zeventiende eeuw een van de belangrijkste havens; "
    "in het centrum is het druk, maar men kan er ook in alle rust wonen.",
    "Stockholm är Sveriges huvudstad och ligger vid Mälarens utlopp i Östersjön, med många museer och en "
    "gammal stad på en ö.",
    "北京是中华人民共和国的首都,位于华北平原的北部。",
]


class Lengths:
    """An embedder whose vectors say how many words a text has; it remembers what it read."""

    languages: tuple[str, ...] = ("en", "es")

    def __init__(self, name: str, dimensions: int) -> None:
        self.name, self.dimensions = name, dimensions
        self.read: list[str] = []

    async def load(self) -> None:
        return None

    async def embed(self, texts: Sequence[str], purpose: Purpose = "passage") -> NDArray[np.float32]:
        self.read += texts
        rows = np.ones((len(texts), self.dimensions), dtype=np.float32)
        rows[:, 0] = [len(text.split()) for text in texts]
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def parts() -> tuple[Lengths, Lengths, Ensemble]:
    many, english = Lengths("many", 4), Lengths("english", 3)
    return many, english, Ensemble(many, english)


async def test_each_vector_is_of_length_one_and_only_english_is_read_twice() -> None:
    many, english, both = parts()
    for purpose in ("query", "passage"):
        found = await both.embed([SPANISH, ENGLISH], purpose)
        assert found.shape == (2, both.dimensions) == (2, 8)
        assert np.allclose(np.linalg.norm(found, axis=1), 1)
    assert many.read == [SPANISH, ENGLISH] * 2
    assert english.read == [ENGLISH] * 2


async def test_no_text_is_no_vector() -> None:
    assert (await parts()[2].embed([])).shape == (0, 8)


async def test_a_question_of_another_language_is_as_near_to_every_passage_as_the_first_says() -> None:
    many, _, both = parts()
    passages = await both.embed([SPANISH, ENGLISH])
    (question,) = await both.embed(["¿Dónde nace el río?"], "query")
    first = await many.embed([SPANISH, ENGLISH]) @ (await many.embed(["¿Dónde nace el río?"], "query"))[0]
    assert np.allclose((passages @ question) / (passages @ question)[0], first / first[0])


async def test_an_english_question_hears_both_of_an_english_passage_and_the_first_of_any() -> None:
    _, _, both = parts()
    (spanish, same) = await both.embed([SPANISH, ENGLISH])
    (question,) = await both.embed([ENGLISH], "query")
    assert same @ question > spanish @ question > 0
    assert same @ question == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("text", [ENGLISH, "boundary layer flow", "Of what is it made, and by whom?"])
def test_english_is_known(text: str) -> None:
    assert in_english(text)


@pytest.mark.parametrize("text", [SPANISH, *OTHERS])
def test_other_languages_are_not_taken_for_english(text: str) -> None:
    assert not in_english(text)
