"""Ways in which people write the same ask: with slips, without accents, in capitals, wrapped in courtesy.

The courtesies are others than those that the weights are fitted with (`routing/training/noise.py`).
"""

import random
import unicodedata
from collections.abc import Callable

from servers.pool.routing.training.noise import with_slips
from tools.text.language import detect

POLITE = {
    "es": (
        ("Hola, ¿qué tal? ", " Muchas gracias."),
        ("Muy buenas, a ver si me podéis echar un cable. ", ""),
        ("Estimado asistente:\n\n", "\n\nQuedo a la espera de su respuesta. Un cordial saludo."),
        ("", " Te lo agradecería un montón :)"),
        ("Siento molestar otra vez. ", " Cuando puedas, sin prisa."),
        ("por favor, ", ""),
        ("holaa, si tienes un minutito ", " mil gracias!!"),
        ("Buenas tardes, espero que vaya todo bien por ahí. ", " Gracias por tu tiempo."),
        ("Perdón por la pregunta tan tonta, pero ", ""),
        ("", "\n\nGracias de corazón, eres un sol"),
    ),
    "en": (
        ("Hello there, ", " Thank you very much."),
        ("Hey! Would you be so kind as to help me out here? ", ""),
        ("Dear assistant,\n\n", "\n\nI look forward to your reply.\nKind regards"),
        ("", " I'd really appreciate it :)"),
        ("Apologies for bothering you again. ", " Whenever you have a moment, no rush."),
        ("please ", ""),
        ("hiii if you've got a sec ", " tysm!!"),
        ("Good evening, I trust this finds you well. ", " Thanks for your time."),
        ("Sorry if this is a silly question but ", ""),
        ("", "\n\nCheers, you're a star"),
    ),
}


def polite(text: str, seed: int) -> str:
    """`text` wrapped in one of POLITE, in its language."""
    ways = POLITE[detect(text, default="es")]
    return text.join(ways[seed % len(ways)])


def without_accents(text: str, _seed: int) -> str:
    """`text` as it is typed on a keyboard that has no accents."""
    return "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))


DISTURBANCES: dict[str, Callable[[str, int], str]] = {
    "slips": lambda text, seed: with_slips(text, random.Random(seed + 10_000)),
    "no accents": without_accents,
    "upper case": lambda text, _seed: text.upper(),
    "polite": polite,
}
