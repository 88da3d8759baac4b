"""Disturbs a prompt as people do: slips of the pen and a polite wrapping. For training and measuring only."""

import random

from tools.text.language import detect

WRAPPINGS = {
    "es": (
        ("Hola, buenos días. ", " Muchas gracias de antemano."),
        ("Perdona que te moleste, ", ", por favor"),
        ("¿Me podrías ayudar con esto? ", " ¡Gracias!"),
        ("Buenas, una pregunta: ", ""),
        ("oye, ", " porfa"),
    ),
    "en": (
        ("Hi, hope you're well. ", " Thanks so much!"),
        ("Sorry to bother you. ", " Many thanks in advance."),
        ("Hello! Could you please help me with this? ", ""),
        ("hey, ", " pls"),
        ("If you don't mind, ", ", please"),
    ),
}
CHARS_A_SLIP = 35


def disturbed(text: str, seed: int) -> str:
    """`text` with slips and wrapped in courtesy; the same for the same seed."""
    source = random.Random(seed)
    before, after = source.choice(WRAPPINGS[detect(text, default="es")])
    return before + with_slips(text, source) + after


def with_slips(text: str, source: random.Random) -> str:
    """`text` with a letter swapped, lost or doubled in every 35 characters."""
    chars = list(text)
    for _ in range(max(1, len(chars) // CHARS_A_SLIP)):
        if len(chars) < 4:
            break
        place, kind = source.randrange(len(chars) - 1), source.random()
        if kind < 0.4:
            chars[place], chars[place + 1] = chars[place + 1], chars[place]
        elif kind < 0.7:
            chars[place] = ""
        else:
            chars[place] *= 2
    return "".join(chars)
