"""Spanish and English as plain text: which of the two a text is in, its words, and their stems.

It owns no model and no index; accents are folded, so `cuántos` and `cuantos` are one word.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Literal

import snowballstemmer

from tools.schema import Language

WORD = re.compile(r"\w+(?:[.,]\d+)*", re.UNICODE)
STOP: dict[Language, frozenset[str]] = {
    "es": frozenset(
        "a al algo algun alguna algunas alguno algunos ante antes aquel aquella asi aun aunque bajo "
        "cada como con contra cual cuales cualquier cuando cuanta cuantas cuanto cuantos de del "
        "desde donde durante e el ella ellas ellos en entre era eran es esa esas ese eso esos esta "
        "estaba estaban estan estar estas este esto estos fue fueron ha haber habia habian han has "
        "hasta hay he la las le les lo los mas me mi mis mucho muy nada ni no nos nosotros nuestra "
        "nuestro o os otra otras otro otros para pero poco por porque pues que quien quienes se sea "
        "segun ser si sido sin sobre son su sus tal tambien tan tanto te tiene tienen toda todas "
        "todo todos tras tu tus u un una unas uno unos usted ustedes y ya yo cuya cuyo cuyas cuyos "
        "puede pueden vez veces debe dime dame explica explicame cuentame podrias puedes favor".split()
    ),
    "en": frozenset(
        "a about after all also am an and any are as at be because been before being between both "
        "but by can could did do does doing down during each few for from had has have having he "
        "her here hers him his how i if in into is it its itself just me more most my no nor not of "
        "off on once only or other our out over own s same she should so some such t than that the "
        "their theirs them then there these they this those through to too under until up very was "
        "we were what when where which while who whom whose why will with would you your tell "
        "please explain give may might must shall upon".split()
    ),
}
_HINTS: dict[Language, frozenset[str]] = {
    "es": STOP["es"]
    | frozenset("hola gracias buenas buenos adios vale quiero busca hablame funciona".split()),
    "en": STOP["en"] | frozenset("hello hi hey thanks thank bye goodbye ok want find works".split()),
}
_SPANISH_SIGNS = re.compile(r"[¿¡ñáéíóú]", re.IGNORECASE)
_COURTESY: dict[Literal["greeting", "thanks", "farewell"], frozenset[str]] = {
    "thanks": frozenset("gracias thanks thank thx".split()),
    "farewell": frozenset("adios bye goodbye chao hasta".split()),
    "greeting": frozenset("hola hello hi hey buenas buenos saludos tal morning afternoon evening".split()),
}
_FILLER = frozenset(
    "muchas mil por todo dias tardes noches luego pronto manana que tal como estas esta good you so very "
    "much for all there how are is it going see later capibara6 amigo buen dia".split()
)
_STEMMERS = {"es": snowballstemmer.stemmer("spanish"), "en": snowballstemmer.stemmer("english")}


def fold(text: str) -> str:
    """Lower case without accents, without invisible characters."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(
        char for char in plain if not unicodedata.combining(char) and char not in "\u200b\ufeff\u00ad"
    )


def words(text: str) -> list[str]:
    """Folded words and numbers, in order, stop words included."""
    return WORD.findall(fold(text))


def detect(text: str, *, default: Language = "es") -> Language:
    """The language whose function words and signs `text` shows more; `default` when neither wins."""
    sample = text[:2_000]
    found = words(sample)
    spanish = sum(word in _HINTS["es"] for word in found) + len(_SPANISH_SIGNS.findall(sample))
    english = sum(word in _HINTS["en"] for word in found)
    if spanish == english:
        return default
    return "es" if spanish > english else "en"


@lru_cache(maxsize=65_536)
def stem(word: str, language: Language) -> str:
    """Snowball stem of one folded word; numbers stay as they are."""
    return word if word[0].isdigit() else fold(_STEMMERS[language].stemWord(word))


def terms(text: str, language: Language) -> list[str]:
    """Stems of the content words of `text`, in order."""
    stop = STOP[language]
    return [stem(word, language) for word in words(text) if word not in stop]


def courtesy(text: str) -> Literal["greeting", "thanks", "farewell"] | None:
    """What a text of pure courtesy says (`hola`, `muchas gracias`, `bye`); None when it says more."""
    said = set(words(text))
    for kind, signs in _COURTESY.items():
        if said & signs and said <= frozenset().union(_FILLER, *_COURTESY.values()):
            return kind
    return None
