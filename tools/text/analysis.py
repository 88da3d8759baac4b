"""Our own analysis of text: words, folded accents, stop words, Snowball stems, and the language (es or en).

The stems go to Milvus as a whitespace-joined `tokens` field, so every version of it ranks alike.
"""

import re
import unicodedata
from functools import lru_cache
from threading import Lock

import snowballstemmer

from tools.schema import Language
from tools.text.stopwords import ENGLISH, SPANISH, STOP_WORDS

WORD = re.compile(r"[^\W_]+(?:[.,'’][^\W_]+)*", re.UNICODE)
NUMBER = re.compile(r"\d[\d.,]*")
TITLE_WEIGHT = 3
STEMMERS = {"es": snowballstemmer.stemmer("spanish"), "en": snowballstemmer.stemmer("english")}
STEMMING = Lock()
"""A stemmer holds the word that it works on: of two threads in it at once, one would get the other's stem."""
SPANISH_SIGNS = re.compile(r"[¿¡ñ]|ci[óo]n(?:es)?\b|\b(?:qu[ée]|cu[áa]l|c[óo]mo|d[óo]nde)\b")
ENGLISH_SIGNS = re.compile(r"\w(?:ing|tion|ness|ght)\b|\b\w+(?:'s|n't)\b|\b(?:the|what|how|who)\b")


def fold(text: str) -> str:
    """Lower case without accents; `ñ` becomes `n` on both sides of a search."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def words(text: str) -> list[str]:
    """Words as written, in order; numbers keep their inner separators."""
    return WORD.findall(text)


def stems(text: str, language: Language) -> list[str]:
    """Topic words of `text`, stemmed, in order, with repetitions."""
    return [found for word in words(text) if (found := stem(word, language))]


def tokens(title: str, text: str, language: Language) -> str:
    """What the text leg indexes: the stems of a passage, its title counted `TITLE_WEIGHT` times."""
    return " ".join(stems(title, language) * TITLE_WEIGHT + stems(text, language))


def detect(text: str, *, default: Language = "en") -> Language:
    """Spanish or English, by function words and spelling; `default` when nothing tells."""
    sample = text[:4_000]
    lowered = sample.casefold()
    found = words(sample)
    capital = [word[:1].isupper() and not word.isupper() for word in found]
    # Two capitals in a row are a name, and names keep their own language: "Los Angeles", "La Liga".
    named = [one and two for one, two in zip(capital, [*capital[1:], False], strict=False)]
    folded = [fold(word) for word, skipped in zip(found, named, strict=True) if not skipped]
    only_spanish = sum(word in SPANISH and word not in ENGLISH for word in folded)
    only_english = sum(word in ENGLISH and word not in SPANISH for word in folded)
    spanish = only_spanish + 0.5 * len(SPANISH_SIGNS.findall(lowered)) + 0.5 * _accents(lowered)
    english = only_english + 0.5 * len(ENGLISH_SIGNS.findall(lowered))
    if spanish == english:
        return default
    return "es" if spanish > english else "en"


def _accents(lowered: str) -> int:
    return sum(char in "áéíóúü" for char in lowered[:500])


@lru_cache(maxsize=200_000)
def stem(word: str, language: Language) -> str:
    """The stem of one word, or an empty string for a stop word."""
    lowered = word.casefold()
    folded = fold(word)
    if folded in STOP_WORDS[language]:
        return ""
    if NUMBER.fullmatch(folded):
        return folded.replace(",", ".").strip(".")
    plain = lowered.replace("’", "'").removesuffix("'s")
    # Spanish stems are taken before folding: the stemmer reads accents, the index must not.
    with STEMMING:
        found = STEMMERS[language].stemWord(plain)
    return fold(found).replace("'", "").replace(".", "")
