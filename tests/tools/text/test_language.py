"""One detector for the whole tree: right at the measured rate, and without a second of its kind."""

import ast
from pathlib import Path

import pytest

from tests.pool.prompts import SPLITS, prompts
from tools.text.language import courtesy, detect

pytestmark = pytest.mark.pure

REPO = Path(__file__).parents[3]
RIGHT = {"tune": 966, "heldout": 235, "blind": 175}
"""Prompts of each split whose language is told, as measured."""
OWN = ("detect", "fold", "stem", "stems", "words", "folded_words", "terms", "translations")


@pytest.mark.parametrize("split", SPLITS)
def test_labelled_prompts_are_told_apart_at_the_measured_rate(split: str) -> None:
    assert sum(detect(row["text"]) == row["language"] for row in prompts(split)) >= RIGHT[split]


def test_text_is_analysed_in_one_place() -> None:
    """No second stemmer, and each function of `tools/text` is defined once among the packages."""
    stemmers, defined = [], []
    for folder in ("tools", "agents", "servers", "ui", "flows"):
        for file in (REPO / folder).rglob("*.py"):
            name, source = file.relative_to(REPO).as_posix(), file.read_text(encoding="utf-8")
            stemmers += [name] if "import snowballstemmer" in source else []
            defined += [
                (node.name, name)
                for node in ast.parse(source).body
                if isinstance(node, ast.FunctionDef) and node.name in OWN and _reads_text(node)
            ]
    assert stemmers == ["tools/text/words.py"]
    assert sorted(name for name, _ in defined) == sorted(OWN), defined
    assert {file for _, file in defined} <= {
        f"tools/text/{part}.py" for part in ("language", "words", "glossary")
    }


def _reads_text(node: ast.FunctionDef) -> bool:
    """Whether a function takes a text first: others may share a name."""
    return bool(node.args.args) and node.args.args[0].arg in ("text", "word")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("¿Cuántos modelos puede tener cargados a la vez el servidor?", "es"),
        ("How many models can the server keep loaded at once?", "en"),
        ("El grafo escucha en el puerto 9669.", "es"),
        ("The graph listens on port 9669.", "en"),
        ("puerto del servidor de modelos", "es"),
        ("default port of the bridge", "en"),
        ("Los Angeles Rams and La Liga clubs", "en"),
        ("LOS PUERTOS DEL SERVIDOR", "es"),
        ("Los Rams ganaron la final de Los Angeles", "es"),
        ("gracias", "es"),
        ("ok thanks", "en"),
    ],
)
def test_language_is_told_by_function_words(text: str, language: str) -> None:
    assert detect(text) == language


def test_nothing_to_tell_gives_the_default() -> None:
    assert detect("", default="es") == detect("9669", default="es") == "es"
    assert detect("PostgreSQL", default="en") == "en"


def test_courtesy_is_a_text_that_says_nothing_else() -> None:
    assert courtesy("¡Hola, buenas tardes!") == "greeting"
    assert courtesy("Thank you so much") == "thanks"
    assert courtesy("gracias, ¿y el puerto?") is None
    assert courtesy("Hola, ¿qué puedes hacer?") == courtesy("help me, please") == "help"
    assert courtesy("¿Qué puedes hacer con un PDF?") is None
