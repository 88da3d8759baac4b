"""Whether two answers say the same: by their final answers, or else by what they speak of. Pure."""

import re
from collections import Counter
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
TRUTH = dict.fromkeys("yes si true verdadero cierto correct correcto".split(), "yes")
TRUTH |= dict.fromkeys("no false falso incorrect incorrecto".split(), "no")
NUMERALS = {
    word: str(value)
    for value, pair in enumerate(
        "cero/zero uno/one dos/two tres/three cuatro/four cinco/five seis/six siete/seven "
        "ocho/eight nueve/nine diez/ten once/eleven doce/twelve".split()
    )
    for word in pair.split("/")
}
NEGATIONS = frozenset(
    "no not never nunca jamas sin without cannot tampoco ni isn't doesn't don't won't".split()
)
SHORT_WORDS = 8


def final(text: str) -> str | None:
    """The normalised final answer: choice letter, number, yes/no or short phrase; None when there is none."""
    plain = fold(text).strip()
    choice = CHOICE.findall(plain)
    if choice:
        return "choice:" + next(letter for letter in choice[-1] if letter)
    stated = STATED.findall(plain)
    said = next((part for part in stated[-1] if part), "") if stated else plain
    said = said.strip(" .*`\"'$")
    tokens = folded_words(said)
    if not tokens or (not stated and len(tokens) > SHORT_WORDS):
        return None
    if tokens[0] in TRUTH and (len(tokens) == 1 or stated):
        return f"truth:{TRUTH[tokens[0]]}"
    numbers = [*NUMBER.findall(said), *(NUMERALS[token] for token in tokens if token in NUMERALS)]
    if len(numbers) == 1:
        return f"number:{_number(numbers[0]):g}"
    if len(tokens) <= SHORT_WORDS:
        return "phrase:" + " ".join(sorted(set(_stems(said))))
    return None


def alike(one: str, other: str) -> float:
    """How far two answers agree, in [0, 1]. Final answers of one kind decide; free text by its content."""
    first, second = final(one), final(other)
    if first and second and first.split(":")[0] == second.split(":")[0] != "phrase":
        return float(first == second)
    if first is not None and first == second:
        return 1.0
    likeness = _overlap(_stems(one), _stems(other))
    if _numbers(one) and _numbers(other) and not _numbers(one) & _numbers(other):
        likeness *= 0.3
    if _denies(one) != _denies(other):
        likeness *= 0.5
    return likeness


def agreement(texts: Sequence[str]) -> float:
    """Mean likeness of all pairs; 1 for a single text."""
    pairs = [alike(one, other) for place, one in enumerate(texts) for other in texts[place + 1 :]]
    return sum(pairs) / len(pairs) if pairs else 1.0


def camps(texts: Mapping[str, str], least: float) -> list[list[str]]:
    """Names grouped by agreement, the largest camp first; each joins the first camp that it likes whole."""
    groups: list[list[str]] = []
    for name, text in texts.items():
        home = next(
            (camp for camp in groups if all(alike(text, texts[mate]) >= least for mate in camp)), None
        )
        if home is None:
            groups.append([name])
        else:
            home.append(name)
    return sorted(groups, key=len, reverse=True)


def _number(text: str) -> float:
    if re.fullmatch(r"-?\d{1,3}(?:[.,]\d{3})+", text):
        return float(re.sub(r"[.,]", "", text))
    return float(text.replace(",", "."))


def _numbers(text: str) -> set[float]:
    plain = fold(text)
    return {_number(found) for found in NUMBER.findall(plain)} | {
        float(NUMERALS[word])
        for word in folded_words(plain)
        if word in NUMERALS and word not in ("uno", "one")
    }


def _stems(text: str) -> list[str]:
    language = detect(text)
    stop = QUESTION_STOP_WORDS["es"] | QUESTION_STOP_WORDS["en"]
    return [root(NUMERALS.get(word, word), language) for word in folded_words(text) if word not in stop]


def _overlap(one: Sequence[str], other: Sequence[str]) -> float:
    """Shared content: of the shorter text mostly, so that a brief answer may agree with a long one."""
    if not one or not other:
        return float(not one and not other)
    first, second = Counter(one), Counter(other)
    shared = len(first.keys() & second.keys())
    short, whole = min(len(first), len(second)), len(first.keys() | second.keys())
    return 0.6 * shared / short + 0.4 * shared / whole


def _denies(text: str) -> bool:
    """Whether the first sentence says no."""
    head = re.split(r"[.!?\n]", fold(text).strip(), maxsplit=1)[0]
    return bool(NEGATIONS & set(folded_words(head)))
