"""Tokens of Spanish and English text: words, folded accents, Snowball stems without stop words.

The bridge stores these stems (Milvus' `tokens` field, names in its manifest), so what `words`, `fold`, `stem`
and `tokens` give for a text must not change without a new `ANALYSIS` in `servers/bridge/manifest`. Stemmers:
snowballstem.org. Which language a text is in says `language`.
"""

import re
import unicodedata
from functools import lru_cache
from threading import Lock

import snowballstemmer

from tools.schema import Language
from tools.text.stopwords import QUESTION_STOP_WORDS, STOP_WORDS

WORD = re.compile(r"[^\W_]+(?:[.,'’][^\W_]+)*", re.UNICODE)
NUMBER = re.compile(r"\d[\d.,]*")
TITLE_WEIGHT = 3
STEMMERS = {"es": snowballstemmer.stemmer("spanish"), "en": snowballstemmer.stemmer("english")}
STEMMING = Lock()
"""A stemmer holds the word that it works on: of two threads in it at once, one would get the other's stem."""
INVISIBLE = "\u200b\ufeff\u00ad"
"""Zero-width space, byte order mark and soft hyphen: letters on both sides of one are one word."""


class _Unmarked(dict[int, int | None]):
    """Characters by code point, None for those that a fold drops; learnt as they come."""

    def __missing__(self, code: int) -> int | None:
        char = chr(code)
        self[code] = found = None if unicodedata.combining(char) or char in INVISIBLE else code
        return found


_UNMARKED = _Unmarked()


def fold(text: str) -> str:
    """Lower case without accents and invisible characters; `ñ` becomes `n` on both sides of a search."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKD", text.casefold()).translate(_UNMARKED)


def words(text: str) -> list[str]:
    """Words as written, in order; numbers keep their inner separators, contractions their apostrophe."""
    return WORD.findall(text)


def folded_words(text: str) -> list[str]:
    """Words folded, in order and without a closing `'s`: what is compared with a list of words."""
    return [word.removesuffix("'s") for word in words(fold(text).replace("’", "'"))]


def stems(text: str, language: Language) -> list[str]:
    """Stems of the words of `text` that are no stop words, in order, with repetitions."""
    return [found for word in words(text) if (found := stem(word, language))]


def terms(text: str, language: Language) -> list[str]:
    """Stems of what a question is about, in order: accents are not read, nor words that only ask."""
    stop = QUESTION_STOP_WORDS[language]
    return [root(word, language) for word in folded_words(text) if word not in stop]


def tokens(title: str, text: str, language: Language) -> str:
    """What full-text search indexes: the stems of a passage, its title's counted `TITLE_WEIGHT` times."""
    return " ".join(stems(title, language) * TITLE_WEIGHT + stems(text, language))


@lru_cache(maxsize=200_000)
def stem(word: str, language: Language) -> str:
    """The stem of one word, folded; an empty string for a stop word."""
    return "" if fold(word) in STOP_WORDS[language] else root(word, language)


@lru_cache(maxsize=200_000)
def root(word: str, language: Language) -> str:
    """The stem of one word, stop word or not, folded; a number with a point for its commas."""
    folded = fold(word)
    if NUMBER.fullmatch(folded):
        return folded.replace(",", ".").strip(".")
    plain = word.casefold().replace("’", "'").removesuffix("'s")
    # Spanish stems are taken before folding: the stemmer reads accents, the index must not.
    with STEMMING:
        found = STEMMERS[language].stemWord(plain)
    return fold(found).replace("'", "").replace(".", "")
