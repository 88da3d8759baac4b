"""Whether two questions ask the same, beyond what their vectors say. Pure.

A vector hardly sees a number, a name, a negation or an opposite: those must be equal word for word.
"""

import re
from collections import Counter

from tools.schema import Language
from tools.text.stopwords import ENGLISH, SPANISH
from tools.text.words import fold, stems, words

NUMBERS = """
cero uno una un dos tres cuatro cinco seis siete ocho nueve diez once doce cien ciento mil millon medio doble
zero one two three four five six seven eight nine ten eleven twelve hundred thousand million half double
primero primera segundo segunda tercero tercera first second third fourth fifth once twice
"""
ASKING = """
que quien quienes cual cuales cuando donde como cuanto cuanta cuantos cuantas porque
what who whom whose which when where why how many much long far often
"""
TURNING = """
no ni nunca nadie ninguno ninguna nada sin not never nobody none nothing without except excepto salvo
mas menos mayor menor mejor peor maximo minimo maxima minima antes despues ultimo ultima nuevo nueva viejo
more less most least largest smallest best worst max min maximum minimum before after last new old older newer
alto bajo alta baja high low higher lower highest lowest sube baja aumenta disminuye increase decrease
abrir cerrar open close start stop empezar terminar begin end enable disable activar desactivar add remove
add anadir quitar borrar delete left right izquierda derecha norte sur este oeste north south east west
dentro fuera inside outside verdadero falso true false entrada salida input output from to desde hasta
"""
FUNCTION = ENGLISH | SPANISH
KEPT = frozenset(f"{NUMBERS} {ASKING} {TURNING}".split())
CODE = re.compile(r"[\w./:-]*[\d_/:][\w./:-]*|\b[a-z]+[A-Z]\w*")
QUOTED = re.compile(r"[\"“«']([^\"”»'\n]{2,80})[\"”»']")


def signature(question: str) -> Counter[str]:
    """The words that must be the same: numbers, names, quotations, code, and those that turn a meaning."""
    found = words(question)
    folded = [fold(word) for word in found]
    kept = [word for word in folded if word in KEPT or any(char.isdigit() for char in word)]
    names = [fold(word) for word in found if word[:1].isupper() and fold(word) not in FUNCTION]
    exact = [fold(part) for part in (*CODE.findall(question), *QUOTED.findall(question))]
    return Counter([*kept, *names, *exact])


def same_question(one: str, other: str, language: Language, *, known: bool) -> bool:
    """True when nothing that a vector may miss differs.

    `known`: the embedder knows the language. Where it does not, the topic words must be the same ones.
    """
    if signature(one) != signature(other):
        return False
    mine, theirs = set(stems(one, language)), set(stems(other, language))
    if not known:
        return mine == theirs
    return not any(_opposed(word, rest) for word in mine - theirs for rest in theirs - mine)


def _opposed(one: str, other: str) -> bool:
    """`load` and `unload`, `cargar` and `descargar`: one is the other with something before it."""
    longer, shorter = (one, other) if len(one) > len(other) else (other, one)
    return longer != shorter and len(shorter) > 2 and longer.endswith(shorter)
