"""Whether two answers say the same: by their final answers, or else by the content words they share. Pure.

Built from rules, without a model, so that a vote costs nothing. `tests/bench/consensus.py` replays recorded
answers over it; `tests/pool/consensus/test_similarity.py` holds the cases of free text.
"""

import re
from collections.abc import Mapping, Sequence

from tools.text.language import detect
from tools.text.stopwords import QUESTION_STOP_WORDS
from tools.text.words import fold, folded_words, root

CHOICE = re.compile(
    r"(?:answer|respuesta|opcion|option|choice|solucion)\b[^a-z0-9\n(]{0,12}(?:is|es|final|correct\w*|la|the|:|\s|\*)*\(?\b([a-j])\b\)?"
    r"(?![\w'’])|^\W*\(?([a-j])\)?[\W]*$|^\W*\(?([a-j])[).:]\s"
)
STATED = re.compile(
    r"(?:\\boxed\{([^{}]+)\}|(?:the |final |my )?(?:answer|result)\s*(?:is|:|=)\s*([^\n]+)|"
    r"(?:la |el )?(?:respuesta|resultado|solucion)(?: final| correcta)?\s*(?:es|:|=)\s*([^\n]+))"
)
NUMBER = re.compile(r"(?<![\w.])-?\d{1,3}(?:[.,]\d{3})+(?![\d])|(?<![\w.])-?\d+(?:[.,]\d+)?")
BOOLEANS = {
    **dict.fromkeys("yes si true verdadero cierto correct correcto".split(), "yes"),
    **dict.fromkeys("no false falso incorrect incorrecto".split(), "no"),
}
NUMERALS = {
    word: str(value)
    for value, pair in enumerate(
        "cero/zero uno/one dos/two tres/three cuatro/four cinco/five seis/six siete/seven "
        "ocho/eight nueve/nine diez/ten once/eleven doce/twelve".split()
    )
    for word in pair.split("/")
}
ARTICLES = ("uno", "one")
"""Numerals that mostly are articles or pronouns: in running text they are no figures."""
NEGATIONS = frozenset(
    "no not never nunca jamas sin without cannot tampoco ni isn't doesn't don't won't".split()
)
MAX_PHRASE_WORDS = 8
"""A text of at most so many words is a final answer as it stands."""
OTHER_NUMBERS, OTHER_POLARITY = 0.3, 0.5
"""What the similarity of free text is multiplied with when the figures differ, or only one text says no.

Estimates; the contradictions in `test_similarity.py` must stay below 0.6, the default threshold of agreement.
"""
SHARE_OF_SHORTER, SHARE_OF_BOTH = 0.6, 0.4
"""Weights of the overlap coefficient and of Jaccard's index in the similarity of free text; estimates too."""


def final_answer(text: str) -> str | None:
    """The normalised final answer as `kind:value`; None when there is none.

    Kinds: `choice` (a letter), `truth` (yes or no), `number`, `phrase` (stems of a short text, sorted).
    """
    plain = fold(text).strip()
    choices = CHOICE.findall(plain)
    if choices:
        return "choice:" + next(letter for letter in choices[-1] if letter)
    stated = STATED.findall(plain)
    answer: str = next((part for part in stated[-1] if part), "") if stated else plain
    answer = answer.strip(" .*`\"'$")
    tokens = folded_words(answer)
    if not tokens or (not stated and len(tokens) > MAX_PHRASE_WORDS):
        return None
    if tokens[0] in BOOLEANS and (len(tokens) == 1 or stated):
        return f"truth:{BOOLEANS[tokens[0]]}"
    numbers: list[str] = [
        *NUMBER.findall(answer),
        *(NUMERALS[token] for token in tokens if token in NUMERALS),
    ]
    if len(numbers) == 1:
        return f"number:{_to_float(numbers[0]):g}"
    if len(tokens) <= MAX_PHRASE_WORDS:
        return "phrase:" + " ".join(sorted(set(_stems(answer))))
    return None


def similarity(one: str, other: str) -> float:
    """How far two answers agree, in [0, 1]: 0 or 1 for final answers of one kind, else by content."""
    first, second = final_answer(one), final_answer(other)
    if first and second and first.split(":")[0] == second.split(":")[0] != "phrase":
        return float(first == second)
    if first is not None and first == second:
        return 1.0
    overlap = _overlap(_stems(one), _stems(other))
    if _numbers(one) and _numbers(other) and not _numbers(one) & _numbers(other):
        overlap *= OTHER_NUMBERS
    if _is_negative(one) != _is_negative(other):
        overlap *= OTHER_POLARITY
    return overlap


def agreement(texts: Sequence[str]) -> float:
    """Mean similarity of all pairs, in [0, 1]; 1 for a single text."""
    pairs = [similarity(one, other) for place, one in enumerate(texts) for other in texts[place + 1 :]]
    return sum(pairs) / len(pairs) if pairs else 1.0


def clusters(texts: Mapping[str, str], threshold: float) -> list[list[str]]:
    """Names of `texts` grouped by agreement, the largest cluster first; of equals the earlier.

    Greedy complete linkage: each joins the first cluster all of whose texts are at least `threshold` similar.
    """
    found: list[list[str]] = []
    for name, text in texts.items():
        home = next(
            (group for group in found if all(similarity(text, texts[mate]) >= threshold for mate in group)),
            None,
        )
        if home is None:
            found.append([name])
        else:
            home.append(name)
    return sorted(found, key=len, reverse=True)


def _to_float(text: str) -> float:
    """A figure of either language: groups of three digits are thousands, a comma is else a decimal point."""
    if re.fullmatch(r"-?\d{1,3}(?:[.,]\d{3})+", text):
        return float(re.sub(r"[.,]", "", text))
    return float(text.replace(",", "."))


def _numbers(text: str) -> set[float]:
    plain = fold(text)
    return {_to_float(found) for found in NUMBER.findall(plain)} | {
        float(NUMERALS[word]) for word in folded_words(plain) if word in NUMERALS and word not in ARTICLES
    }


def _stems(text: str) -> list[str]:
    language = detect(text)
    stop = QUESTION_STOP_WORDS["es"] | QUESTION_STOP_WORDS["en"]
    return [root(NUMERALS.get(word, word), language) for word in folded_words(text) if word not in stop]


def _overlap(one: Sequence[str], other: Sequence[str]) -> float:
    """Shared content: of the shorter text mostly, so that a brief answer may agree with a long one."""
    if not one or not other:
        return float(not one and not other)
    first, second = set(one), set(other)
    shared = len(first & second)
    shorter, both = min(len(first), len(second)), len(first | second)
    return SHARE_OF_SHORTER * shared / shorter + SHARE_OF_BOTH * shared / both


def _is_negative(text: str) -> bool:
    """Whether the first sentence says no."""
    head = re.split(r"[.!?\n]", fold(text).strip(), maxsplit=1)[0]
    return bool(NEGATIONS & set(folded_words(head)))
