"""Cuts the courtesy around what is asked: greetings, wishes, apologies, thanks. Spanish and English.

It judges clause by clause, from both ends inwards: courtesy is a run of clauses of words that carry no topic,
among them one of politeness. Nothing within a text is cut, and a text of nothing else is kept.
"""

import re

from tools.text.stopwords import STOP_WORDS
from tools.text.words import fold

POLITE = frozenset(
    """
    hola holas holi buenas buenos hey hi hii hiya hello greetings saludos saludo estimado estimada estimados
    estimadas apreciado apreciada querido querida dear
    gracias agradezco agradeceria agradecido agradecida agradecere thank thanks thx tysm ty cheers appreciate
    appreciated grateful obliged antemano bless
    favor porfa porfavor porfi plis please pls plz kindly amable amablemente
    perdon perdona perdone perdonad perdonen disculpa disculpe disculpen disculpas siento lamento sorry excuse
    apologies apologise apologize pardon molestar molestarte molesto moleste molestia bother bothering
    disturb trouble interrupt interrumpir insistir
    ayuda ayudar ayudarme ayudas ayudes ayudais ayudeis ayuden echarme echar echas cable mano help helping
    assist assistance
    pregunta preguntita duda dudilla dudita consulta cosita question questions favour importa importaria mind
    espero deseo hope trust wish prisa rush hurry regards cordial cordialmente atentamente sincerely
    abrazo besos espera quedo forward wondering sol crack majo maja genio genia tesoro lifesaver legend
    minutito momentito ratito sec tal
    """.split()
)
"""A clause of courtesy holds at least one of these."""
BESIDE = frozenset(
    """
    dia dias tarde tardes noche noches morning afternoon evening day night week weekend finde semana there
    all again everyone everybody team equipo amigo amiga amigos tio colega companero mate buddy friend friends
    folks gente asistente assistant asistencia capibara capibara6 bot sir madam senor senora sres
    bien well good great fine best better nice lovely warm kind kindest feliz buen buena vaya vaya ido anda
    andes estes esten encuentre encuentres encuentren find finds found finding going ahi
    mil millon montones monton lot lots bunch tons million really truly muchisimas muchisimo antes adelantado
    tiempo time atencion attention paciencia patience minuto minutos minute minutes momento moment momentos
    second seconds segundo segundos rato chance libre free hueco ocasion whenever
    tonta tonto tontas silly stupid dumb boba basica simple rapida rapidita rapido quick quickly small pequena
    pequeno pequenita little one ultima last otra another corazon heart veras thing cosa
    advance respuesta respuestas reply response answer hearing look looking leerte noticias
    possible posible posibles possibly puedas pudieras podrias podeis podrian pueden tengas tenga tuvieras
    tienes want wants like love need necesito necesitaba quisiera queria querria gustaria encantaria ver
    favorcito know say tell con sin yours star angel cielo amor guapo guapa makes
    pedir pido preguntar preguntarte hacerte ask asking disponible available ya alla bothered
    don didn doesn isn won ll ve re d s t m im ive youre hes its ill id got got gotta u ur
    """.split()
)
"""Words that say nothing of a topic in a clause of courtesy, beside the stop words."""
OPENERS = frozenset(
    """
    hola holas holaa holaaa holi buenas hey heyy hi hii hiii hiya hello sorry perdon perdona perdone disculpa
    disculpe siento lamento please dear estimado gracias thanks apologies excuse oye oiga
    si if
    """.split()
)
"""With one of these a sentence may begin whose courtesy no sign ends."""
MAX_WORDS, MAX_CLAUSES = 16, 5
"""A clause of more words asks or tells; so many clauses are looked at from each end."""
WORD = re.compile(r"[^\W_]+")
BOUNDARY = re.compile(r"[.,;:]+(?=\s|$)|[!?…)]+|\n+")
GREETING = re.compile(
    r"\W*(?:(?:ho+la+s?|buen[oa]s(?:\s+(?:d[ií]as|tardes|noches))?|he+y+|hi+|hello+|oye|oiga|please|"
    r"por favor|porfa(?:vor)?|good (?:morning|afternoon|evening))\b[\s,.!]*)+",
    re.IGNORECASE,
)
THANKS = re.compile(
    r"(?<!:)(?<!muchas)(?<!much[ií]simas)(?<!mil)(?<!many)\s+"
    r"(?:por favor|porfa(?:vor)?|pl(?:ease|[sz])|(?:muchas |mil |much[ií]simas )?gracias|thx|"
    r"ty(?:sm)?|(?:many )?thanks(?: (?:so much|in advance|a lot))?|"
    r"thank you(?: (?:so|very) much)?|cheers)\W*$",
    re.IGNORECASE,
)
BUT = re.compile(r"^[\s,]*(?:but|pero)\b", re.IGNORECASE)

_EMPTY = STOP_WORDS["es"] | STOP_WORDS["en"] | POLITE | OPENERS | BESIDE


def without_courtesy(text: str) -> str:
    """`text` as it was typed, without courtesy at its ends; all of it when it says nothing else."""
    clauses = _clauses(text)
    first = _run(clauses)
    last = len(clauses) - _run(clauses[::-1])
    if clauses[:last] and clauses[last - 1].rstrip().endswith(":"):
        # What follows a colon is spoken of.
        last = len(clauses)
    typed = "".join(clauses[first:last])
    rest = THANKS.sub("", _unopened(typed))
    if len(rest) < len(text):
        rest = BUT.sub("", rest)
    return rest.strip() if any(map(str.isalnum, rest)) else text


def _clauses(text: str) -> list[str]:
    """`text` in pieces, each with the sign that ends it."""
    ends = [found.end() for found in BOUNDARY.finditer(text)]
    starts = [0, *ends]
    return [text[start:end] for start, end in zip(starts, [*ends, len(text)], strict=True) if text[start:end]]


def _run(clauses: list[str]) -> int:
    """How many clauses from the first are courtesy: none, unless a word of politeness is in one of them."""
    count, polite = 0, False
    for clause in clauses[:MAX_CLAUSES]:
        words = WORD.findall(fold(clause))
        one = not POLITE.isdisjoint(words) or bool(GREETING.fullmatch(clause))
        beside = "?" not in clause and not BESIDE.isdisjoint(words)
        if len(words) > MAX_WORDS or (words and not (_EMPTY.issuperset(words) and (one or beside))):
            break
        count, polite = count + 1, polite or one
    return count if polite else 0


def _unopened(text: str) -> str:
    """`text` without the courtesy that it begins with and no sign ends."""
    greeting = GREETING.match(text)
    end = greeting.end() if greeting else 0
    for number, found in enumerate(WORD.finditer(text)):
        word = fold(found[0])
        if word not in _EMPTY or number == MAX_WORDS or (number == 0 and word not in OPENERS):
            if word in ("world", "mundo"):
                return text
            break
        end = max(end, found.end() if word in POLITE else 0)
    return text[end:]
