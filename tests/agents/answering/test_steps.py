"""What an answer's sentences rest on, as its last step tells it."""

from typing import cast

import pytest

from agents.answering.steps import support_of
from agents.conversation.state import Turn, new_turn
from agents.grounding.evidence import read_evidence
from tools.schema import Citation

pytestmark = pytest.mark.pure

QUOTE = "Los paleoclimatólogos miden la proporción de oxígeno-18 en las conchas."
SOURCE = Citation(n=1, title="Oxygen", source="o.md", document_id="o", text=QUOTE)


def kinds(text: str, model: str) -> set[tuple[str, bool]]:
    asked = [{"role": "user", "content": "¿Cuántos hogares tienen niños menores de 18 años?"}]
    state = cast("Turn", {**new_turn(asked), "model": model})
    return {(one.kind, one.supported) for one in support_of(text, read_evidence([SOURCE]), state)}


def test_sentences_with_which_the_platform_declines_are_no_claims() -> None:
    said = (
        "Los pasajes encontrados no contienen la respuesta a esta pregunta. "
        "Ningún pasaje habla de: «hogares». Lo más cercano que dicen («Oxygen»), que no es lo que preguntas:"
    )
    assert kinds(said, "rules") == {("refusal", True)}
    assert ("claim", False) in kinds(said, "phi4_fast"), "a model that says so is judged by what it says"


def test_quote_rests_on_the_passage_that_it_cites() -> None:
    assert kinds(f"{QUOTE} [1]", "extractive") == {("claim", True)}
    assert kinds("Cito los documentos y no traduzco, y en Vigo dicen:", "extractive") == {("other", True)}
