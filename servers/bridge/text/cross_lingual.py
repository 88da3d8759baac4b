"""Words of a question as the other language indexes them: shared names, cognates, a small glossary.

Spanish and English share most of their learned words up to an ending (`nacional`, `national`); a guess that
no passage holds costs nothing.
"""

from functools import lru_cache

from tools.schema import Language
from tools.text.glossary import translations
from tools.text.stopwords import STOP_WORDS
from tools.text.words import fold, stems, words

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
SHORTEST, ROOT = 4, 5


def crossed(text: str, asked: Language, held: Language) -> list[str]:
    """Stems in `held` for the words of a question in `asked`, likeliest first, without repetition."""
    if asked == held:
        return stems(text, held)
    found = list(stems(text, held))
    for word in words(text):
        found += _guesses(fold(word), asked)
    return list(dict.fromkeys(found))


@lru_cache(maxsize=20_000)
def _guesses(word: str, asked: Language) -> tuple[str, ...]:
    """Stems in the other language for one folded word."""
    held: Language = "en" if asked == "es" else "es"
    known = translations(word, asked)
    if word in STOP_WORDS[asked] or len(word) < SHORTEST:
        return known
    forms = _english(word) if asked == "es" else _spanish(word)
    return (*known, *(stem for form in sorted(forms) for stem in stems(form, held)))


def _english(word: str) -> set[str]:
    roots = [word]
    if word.startswith("es") and word[2:3] in tuple("ctpqm"):
        roots.append(word[1:])
    roots += [root.replace(one, two) for root in list(roots) for one, two in SPELLINGS if one in root]
    return {
        root.removesuffix(spanish) + english
        for root in roots
        for spanish, english in ENDINGS
        if root.endswith(spanish) and len(root) >= max(ROOT, len(spanish) + 2)
    }


def _spanish(word: str) -> set[str]:
    roots = [word, *(word.replace(two, one) for one, two in SPELLINGS[:1] if two in word)]
    if word.startswith("s") and word[1:2] in tuple("ctpqm"):
        roots.append("e" + word)
    single = [root.removesuffix("s") for root in roots if root.endswith("s")]
    return {
        root.removesuffix(english) + spanish
        for root in [*roots, *single]
        for spanish, english in ENDINGS
        if english and root.endswith(english) and len(root) >= max(ROOT, len(english) + 2)
    }
