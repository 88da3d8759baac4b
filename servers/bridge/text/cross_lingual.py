"""Cross-lingual search over words: a query's words as the other language indexes them. Shared names,
cognates, a small glossary; no model.

Spanish and English share most of their learned words up to an ending (`nacional`, `national`); a guess that
no passage holds costs nothing. Names that share no word are left to the question's vector: links by vectors
of names were measured and found nothing more (`CONTRIBUTING.md`).
"""

from functools import lru_cache

from tools.schema import Language
from tools.text.glossary import translations
from tools.text.stopwords import STOP_WORDS
from tools.text.words import fold, stem, stems, words

ENDINGS = tuple(
    tuple(pair.split(":"))
    for pair in """
    cion:tion ciones:tion sion:sion siones:sion dad:ty dades:ty mente:ly ico:ic ica:ic icos:ic icas:ic
    ia:y ias:y ario:ary arios:ary aria:ary oso:ous osa:ous osos:ous ismo:ism ista:ist istas:ist encia:ence
    ancia:ance encias:ence ancias:ance ante:ant antes:ant ente:ent entes:ent ar:ate ado:ated ada:ated
    ados:ated adas:ated izar:ize ivo:ive iva:ive ivos:ive ivas:ive or:or ores:or al:al ales:al ura:ure
    uras:ure ogia:ogy grafia:graphy ble:ble bles:ble o:e o: a:e a: os: as: os:e as:e e:e e: es:
    """.split()
)
SPELLINGS = (("f", "ph"), ("qu", "c"), ("cu", "qu"), ("i", "y"), ("t", "th"), ("c", "ch"))
MIN_WORD_CHARS, MIN_ROOT_CHARS = 4, 5
"""Shorter ones end like cognates and are none."""
CACHED_WORDS = 20_000


def meanings(text: str, language: Language) -> set[frozenset[str]]:
    """What each word of a text may be in English, as stems; without the little words."""
    return {found for word in set(words(text)) if (found := _meanings(word, language))}


def shared_meanings(one: set[frozenset[str]], other: set[frozenset[str]]) -> float:
    """How much two texts have in common, in [0, 1]: the larger of the shares of each one's words that the
    other has too, for one may be a part of the other. 0 without words."""
    if not one or not other:
        return 0.0
    mine, theirs = frozenset[str]().union(*one), frozenset[str]().union(*other)
    return max(
        sum(not found.isdisjoint(theirs) for found in one) / len(one),
        sum(not found.isdisjoint(mine) for found in other) / len(other),
    )


def translated_stems(text: str, source: Language, target: Language) -> list[str]:
    """Stems in `target` for the words of a text in `source`, likeliest first, without repetition."""
    if source == target:
        return stems(text, target)
    found = list(stems(text, target))
    for word in words(text):
        found += _translations(fold(word), source)
    return list(dict.fromkeys(found))


@lru_cache(maxsize=CACHED_WORDS)
def _meanings(word: str, language: Language) -> frozenset[str]:
    if not stem(word, language):
        return frozenset()
    own = frozenset(stems(word, "en"))
    return own if language == "en" else own.union(_translations(fold(word), language))


@lru_cache(maxsize=CACHED_WORDS)
def _translations(word: str, source: Language) -> tuple[str, ...]:
    """Stems in the other language for one folded word: from the glossary, then its possible cognates."""
    target: Language = "en" if source == "es" else "es"
    listed = translations(word, source)
    if word in STOP_WORDS[source] or len(word) < MIN_WORD_CHARS:
        return listed
    cognates = _english_cognates(word) if source == "es" else _spanish_cognates(word)
    return (*listed, *(stem for cognate in sorted(cognates) for stem in stems(cognate, target)))


def _english_cognates(word: str) -> set[str]:
    """Spellings that an English word of the same root could have."""
    roots = [word]
    if word.startswith("es") and word[2:3] in tuple("ctpqm"):
        roots.append(word[1:])
    roots += [root.replace(one, two) for root in list(roots) for one, two in SPELLINGS if one in root]
    return {
        root.removesuffix(spanish) + english
        for root in roots
        for spanish, english in ENDINGS
        if root.endswith(spanish) and len(root) >= max(MIN_ROOT_CHARS, len(spanish) + 2)
    }


def _spanish_cognates(word: str) -> set[str]:
    """Spellings that a Spanish word of the same root could have."""
    roots = [word, *(word.replace(two, one) for one, two in SPELLINGS[:1] if two in word)]
    if word.startswith("s") and word[1:2] in tuple("ctpqm"):
        roots.append("e" + word)
    single = [root.removesuffix("s") for root in roots if root.endswith("s")]
    return {
        root.removesuffix(english) + spanish
        for root in [*roots, *single]
        for spanish, english in ENDINGS
        if english and root.endswith(english) and len(root) >= max(MIN_ROOT_CHARS, len(english) + 2)
    }
