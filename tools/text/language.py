"""Language detection (Spanish or English) and pure courtesy (`hola`, `thanks`), without a model.

It owns no words: tokens and stems are `words`, function words `stopwords`.
"""

import re
from functools import lru_cache
from typing import Literal

from tools.schema import Language
from tools.text.stopwords import ENGLISH, SPANISH
from tools.text.words import fold, folded_words, words

SAMPLE_CHARS, KEPT = 4_000, 1_024
SPANISH_SIGNS = re.compile(r"[¿¡ñ]|ci[óo]n(?:es)?\b|\b(?:qu[ée]|cu[áa]l|c[óo]mo|d[óo]nde)\b")
ENGLISH_SIGNS = re.compile(r"\w(?:ing|tion|ness|ght)\b|\b\w+(?:'s|n't)\b|\b(?:the|what|how|who)\b")
HINTS: dict[Language, frozenset[str]] = {
    "es": frozenset("hola gracias buenas buenos adios vale quiero busca hablame funciona".split()),
    "en": frozenset("hello hi hey thanks thank bye goodbye ok want find works".split()),
}
"""Words of one language that are no function words: they decide where those and the spelling are even."""
COURTESY: dict[Literal["greeting", "thanks", "farewell"], frozenset[str]] = {
    "thanks": frozenset("gracias thanks thank thx".split()),
    "farewell": frozenset("adios bye goodbye chao hasta".split()),
    "greeting": frozenset("hola hello hi hey buenas buenos saludos tal morning afternoon evening".split()),
}
FILLER = frozenset(
    "muchas mil por todo dias tardes noches luego pronto manana que tal como estas esta good you so very "
    "much for all there how are is it going see later capibara6 amigo buen dia".split()
)
_HELP = re.compile(
    r"(?:(?:hola|hello|hi|hey|buenas|capibara6|y|and)\s+)*(?:que (?:puedes|sabes) hacer(?: por mi)?|"
    r"(?:en que )?(?:me )?puedes ayudar(?:me)?|para que sirves|quien eres|que eres|como funcionas|"
    r"que (?:te )?puedo preguntar(?:te)?|ayuda|ayudame|what can you do(?: for me)?|(?:how )?can you help me|"
    r"who are you|what are you|how do you work|what can i ask(?: you)?|help|help me)"
    r"(?:\s+(?:por favor|please|capibara6))*"
)


def detect(text: str, *, default: Language = "en") -> Language:
    """Spanish or English, by function words and spelling; `default` when nothing tells.

    Of 1,398 labelled prompts in `tests/pool` 1,376 are told right; the others are mostly names and code.
    """
    return _told(text[:SAMPLE_CHARS]) or default


@lru_cache(maxsize=KEPT)
def _told(sample: str) -> Language | None:
    """What a sample tells; a question and the passages found for it are looked at again at each step."""
    lowered = sample.casefold()
    folded = _own_words(sample)
    only_spanish = sum(word in SPANISH and word not in ENGLISH for word in folded)
    only_english = sum(word in ENGLISH and word not in SPANISH for word in folded)
    spanish = only_spanish + 0.5 * len(SPANISH_SIGNS.findall(lowered)) + 0.5 * _accents(lowered)
    english = only_english + 0.5 * len(ENGLISH_SIGNS.findall(lowered))
    if spanish == english:
        spanish, english = (sum(word in HINTS[language] for word in folded) for language in ("es", "en"))
    if spanish == english:
        return None
    return "es" if spanish > english else "en"


def courtesy(text: str) -> Literal["greeting", "thanks", "farewell", "help"] | None:
    """What a text says that needs no knowledge: pure courtesy (`hola`, `muchas gracias`, `bye`), or a call
    for help; None when it says more."""
    if _HELP.fullmatch(" ".join(folded_words(text))):
        return "help"
    found = set(folded_words(text))
    for kind, signs in COURTESY.items():
        if found & signs and found <= FILLER.union(*COURTESY.values()):
            return kind
    return None


def _own_words(text: str) -> list[str]:
    """Folded words but for the first of two capitals in a row: names keep their own language (`La Liga`)."""
    found = words(text)
    capital = [word[:1].isupper() and not word.isupper() for word in found]
    named = [one and two for one, two in zip(capital, [*capital[1:], False], strict=False)]
    return [fold(word) for word, skipped in zip(found, named, strict=True) if not skipped]


def _accents(lowered: str) -> int:
    return sum(char in "áéíóúü" for char in lowered[:500])
