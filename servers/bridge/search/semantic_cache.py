"""The semantic cache: finds the cached answer of a question asked in other words, by vector, among the
latest.

A vector hardly sees a number, a name, a negation or an opposite: those must be equal word for word. Questions
lie with their vectors in Redis, in buckets that nothing but the words may differ in, the collection's version
included: a write leaves nothing to be found. The answers themselves lie in `answer_cache`.
"""

import base64
import binascii
import hashlib
import json
import re
from collections import Counter
from collections.abc import Awaitable, Sequence
from typing import NamedTuple, cast

import numpy as np

from servers.bridge.clients.redis import NAMESPACE, Redis
from servers.bridge.search.answer_cache import DEADLINE_S, TTL_S
from servers.bridge.search.candidates import Vector
from tools.errors import Capibara6Error
from tools.schema import JsonObject, Language, SearchRequest
from tools.text.language import detect
from tools.text.stopwords import ENGLISH, SPANISH
from tools.text.words import fold, stems, words

VERSION = 2
BUCKET_SIZE = 64
"""The latest questions of a bucket; all are read from Redis by each search, some 40 kB with MiniLM's 384
dimensions."""
NUMBER_WORDS = """
cero uno una un dos tres cuatro cinco seis siete ocho nueve diez once doce cien ciento mil millon medio doble
zero one two three four five six seven eight nine ten eleven twelve hundred thousand million half double
primero primera segundo segunda tercero tercera first second third fourth fifth once twice
"""
QUESTION_WORDS = """
que quien quienes cual cuales cuando donde como cuanto cuanta cuantos cuantas porque
what who whom whose which when where why how many much long far often
"""
POLARITY_WORDS = """
no ni nunca nadie ninguno ninguna nada sin not never nobody none nothing without except excepto salvo
mas menos mayor menor mejor peor maximo minimo maxima minima antes despues ultimo ultima nuevo nueva viejo
more less most least largest smallest best worst max min maximum minimum before after last new old older newer
alto bajo alta baja high low higher lower highest lowest sube baja aumenta disminuye increase decrease
abrir cerrar open close start stop empezar terminar begin end enable disable activar desactivar add remove
add anadir quitar borrar delete left right izquierda derecha norte sur este oeste north south east west
dentro fuera inside outside verdadero falso true false entrada salida input output from to desde hasta
"""
SPREAD = {"multilingual-e5-small": 1 / 6, "multilingual-e5-small+minilm-l6-v2": 1 / 6}
"""What a distance between two questions is with a model, where MiniLM has 1. Its bound lies half way from 1
to the nearest two of XQuAD's questions, es and en, that ask for different things and are not told apart by
their words: with E5 they are at .989 (who played, who won), so .995; with MiniLM at .958, .97 is within.
The ensemble has the bound of E5, which it is for a Spanish question."""
FUNCTION_WORDS = ENGLISH | SPANISH
DISTINCTIVE_WORDS = frozenset(f"{NUMBER_WORDS} {QUESTION_WORDS} {POLARITY_WORDS}".split())
CODE = re.compile(r"[\w./:-]*[\d_/:][\w./:-]*|\b[a-z]+[A-Z]\w*")
QUOTED = re.compile(r"[\"“«']([^\"”»'\n]{2,80})[\"”»']")


class CachedQuestion(NamedTuple):
    """A question that was answered, and its vector (float32, length 1 but for rounding to 8 bits)."""

    text: str
    vector: Vector


class SemanticCache:
    """Remembers questions. `similar` is the cosine from which two may be the same (settings); at 1 it is off.
    A Redis that is down remembers none."""

    def __init__(self, redis: Redis, *, similar: float) -> None:
        self.redis, self.similar = redis, similar

    def bucket(self, tenant: str, request: SearchRequest, models: str, version: int) -> str:
        """The Redis key of the questions that may share an answer: of one tenant, collection and its
        `version`, the same `models` and every option of the request but its words."""
        options = request.model_dump_json(exclude={"query"})
        text = f"{VERSION}\x1f{tenant}\x1f{models}\x1f{version}\x1f{options}"
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()
        return f"{NAMESPACE}:{tenant}:near:{digest}"

    async def latest(self, bucket: str) -> list[CachedQuestion]:
        """The questions of a bucket, the latest first; what is none of ours is passed by."""
        if self.similar >= 1:
            return []
        # redis-py's annotations leave open whether its client is the asynchronous one.
        reading = cast(Awaitable[list[bytes]], self.redis.connection.lrange(bucket, 0, BUCKET_SIZE - 1))
        try:
            entries = await self.redis.call(reading, deadline_s=DEADLINE_S)
        except Capibara6Error:
            return []
        return [item for item in map(decoded, entries) if item is not None]

    def match(
        self,
        question: str,
        vector: Vector,
        cached: Sequence[CachedQuestion],
        embedder: str,
        embedder_languages: tuple[str, ...],
    ) -> str | None:
        """The nearest cached question that is this one in other words; None when there is none. Pure.

        A question of the same words, whatever their case and signs, need not be near: some models see
        capitals."""
        language, said = detect(question), _words(question)
        bound = 1 - (1 - self.similar) * SPREAD.get(embedder, 1)
        candidates = [
            (float(item.vector @ vector), item.text) for item in cached if item.vector.shape == vector.shape
        ]
        for cosine, text in sorted(candidates, reverse=True):
            if cosine < bound and _words(text) != said:
                continue
            if detect(text) == language and same_question(
                question, text, language, vector_tells=language in embedder_languages
            ):
                return text
        return None

    async def remember(self, bucket: str, question: str, vector: Vector) -> None:
        """Put a question first in its bucket; the bucket is gone `TTL_S` seconds after the last one."""
        if self.similar >= 1:
            return
        pipeline = self.redis.connection.pipeline(transaction=False)
        pipeline.lpush(bucket, encoded(question, vector))
        pipeline.ltrim(bucket, 0, BUCKET_SIZE - 1)
        pipeline.expire(bucket, TTL_S)
        try:
            await self.redis.call(pipeline.execute(), deadline_s=DEADLINE_S)
        except Capibara6Error:
            return


def same_question(one: str, other: str, language: Language, *, vector_tells: bool) -> bool:
    """True when nothing differs that a vector may miss.

    `vector_tells`: the embedder knows the language. Where it does not, the topic words must be the same ones.
    """
    if signature(one) != signature(other):
        return False
    mine, theirs = set(stems(one, language)), set(stems(other, language))
    if not vector_tells:
        return mine == theirs
    return not any(_opposed(word, rest) for word in mine - theirs for rest in theirs - mine)


def signature(question: str) -> Counter[str]:
    """The words that must be the same: numbers, names, quotations, code, and those that turn a meaning."""
    found = words(question)
    folded = [fold(word) for word in found]
    kept = [word for word in folded if word in DISTINCTIVE_WORDS or any(char.isdigit() for char in word)]
    names = [fold(word) for word in found if word[:1].isupper() and fold(word) not in FUNCTION_WORDS]
    exact: list[str] = [*CODE.findall(question), *QUOTED.findall(question)]
    return Counter([*kept, *names, *map(fold, exact)])


def _words(question: str) -> list[str]:
    return [fold(word) for word in words(question)]


def _opposed(one: str, other: str) -> bool:
    """`load` and `unload`, `cargar` and `descargar`: one is the other with something before it."""
    longer, shorter = (one, other) if len(one) > len(other) else (other, one)
    return longer != shorter and len(shorter) > 2 and longer.endswith(shorter)


def encoded(question: str, vector: Vector) -> str:
    """JSON; the vector's direction in 8 bits a dimension, its largest being 127, base64."""
    packed = base64.b64encode(np.rint(vector * (127 / np.abs(vector).max())).astype(np.int8).tobytes())
    return json.dumps({"query": question, "vector": packed.decode()})


def decoded(entry: bytes) -> CachedQuestion | None:
    """What `encoded` wrote, its vector of length 1 again; None for anything else."""
    try:
        fields: JsonObject = json.loads(entry)
        question, packed = fields["query"], base64.b64decode(fields["vector"], validate=True)
    except (ValueError, TypeError, KeyError, binascii.Error):
        return None
    vector = np.frombuffer(packed, dtype=np.int8).astype(np.float32)
    length = float(np.linalg.norm(vector))
    return CachedQuestion(question, vector / length) if isinstance(question, str) and length else None
