"""An engine that invents, in a process of its own: speaks OpenAI's wire. The standard library only.

`python inventor.py --port P`. The name of the model that is asked is the way it invents (`KINDS`): what it
says is made of the first passages of the prompt and of the question, and is false but for what it repeats.
"""

import argparse
import json
import re
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FALSE = (
    "Fue inaugurado por Eiffel en 1889 [1].",
    "Su precio es de 42 euros [2].",
    "The warranty lasts 6 years and covers everything [1].",
    "Los gatos duermen de noche sobre el tejado.",
)
NAMES = ("Montevideo", "Bremen", "Aldebarán", "Cincinnati")


def _numbers(first: str, _: str, __: str) -> str:
    return re.sub(r"\d+", lambda found: str(int(found[0]) + 3), first) + " [1]"


def _names(first: str, _: str, __: str) -> str:
    others = iter(NAMES * 3)
    return re.sub(r"(?<=\s)[A-ZÁÉÍÓÚ]\w+", lambda _: next(others), first) + " [1]"


def _negation(first: str, _: str, __: str) -> str:
    return re.sub(r"^(\w+ \w+ de \w+) ", r"\1 no ", first) + " [1]"


def _mixture(first: str, _: str, __: str) -> str:
    return " ".join([FALSE[0], first, *FALSE[1:]])


def _halves(first: str, _: str, __: str) -> str:
    return f"{first[:-1]} y pertenece a una familia noble de Baviera [1]."


def _crossed(first: str, second: str, _: str) -> str:
    """What the first passage speaks of, with what the second says of another thing."""
    subject, said = first.split()[:4], second.split()[4:]
    return f"{' '.join([*subject, *said])} [1][2]"


def _unmarked(first: str, _: str, __: str) -> str:
    return f"{first} Es muy apreciado por los viajeros."


def _marks(first: str, _: str, __: str) -> str:
    return f"{first[:-1]} [5]. Lo visitan muchos turistas alemanes [1]. Cierra los lunes [9]."


def _thinking(first: str, _: str, __: str) -> str:
    return f"<think>Invento que costó 99 doblones.</think>{FALSE[0]} {first}"


def _echo(_: str, __: str, question: str) -> str:
    """The question, said back as if it were an answer, and again with an answer to it."""
    stated = (
        question.strip("¿?").replace("Quién", "Un artesano").replace("What does it cost", "It costs little")
    )
    return f"{question} {stated}. Sí, {stated[:1].lower()}{stated[1:]}, como es sabido [1]."


def _listing(first: str, _: str, __: str) -> str:
    return (
        "# Lo más importante de su historia secreta\n\n"
        "Pertenece desde siempre a una familia noble venida del norte, y estos son sus dueños:\n\n"
        f"- {first} [1]\n- Lo restauró un duque austriaco [1]\n- **Aforo:** 900 plazas\n\n"
        "| dueño | años |\n|---|---|\n| Duque de Alba | 31 |\n"
    )


def _posing(_: str, __: str, ___: str) -> str:
    """Inventions in the clothes of a refusal, of a question, and of code."""
    return (
        "Los pasajes no lo dicen, lo diseñó un artesano del barrio de pescadores. "
        "The passages do not mention that a local guild of weavers built the whole facade by hand. "
        "¿Sabías que lo levantó en secreto una cofradía de marineros vascos? "
        "```\ndueño: un duque austriaco\n```"
    )


KINDS: dict[str, Callable[[str, str, str], str]] = {
    "numbers": _numbers,
    "names": _names,
    "negation": _negation,
    "mixture": _mixture,
    "halves": _halves,
    "crossed": _crossed,
    "unmarked": _unmarked,
    "marks": _marks,
    "thinking": _thinking,
    "echo": _echo,
    "listing": _listing,
    "posing": _posing,
}


def _opinion(prompt: str) -> str:
    """Whether a passage speaks of a height: what a model would say that knows nothing else."""
    about = prompt.rpartition("</passages>")[2].lower()
    return "Yes." if "altura" in prompt.lower() and re.search(r"alt[ao]|eleva|tall", about) else "No."


SAYINGS = (*KINDS, "judge")
"""Models that are served: the ways to invent, and one that says yes or no."""


def say(body: dict) -> str:
    """What the model of a request answers."""
    prompt = next(one["content"] for one in reversed(body["messages"]) if one["role"] == "user")
    if body["model"] == "judge":
        return _opinion(prompt)
    passages = re.findall(r"<passage [^>]*>\n(.*?)\n</passage>", prompt, re.DOTALL)
    first, second = (*passages, "", "")[:2]
    question = prompt.rpartition("</passages>")[2].partition(":")[2].strip()
    return KINDS[body["model"]](first, second, question)


class Server(ThreadingHTTPServer):
    """As many callers as come."""

    request_queue_size = 128


class Handler(BaseHTTPRequestHandler):
    """One request a connection; an answer comes a word a chunk."""

    def do_GET(self) -> None:
        self._json({"object": "list", "data": [{"id": name, "object": "model"} for name in KINDS]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        text = say(body)
        if not body.get("stream"):
            message = {"role": "assistant", "content": text}
            self._json(
                {**_head(body), "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
            )
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for word in re.findall(r"\S+\s*", text):
            self._event({**_head(body), "choices": [_choice({"content": word})]})
        self._event({**_head(body), "choices": [_choice({}, "stop")]})
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""

    def _json(self, content: dict) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _event(self, content: dict) -> None:
        self.wfile.write(b"data: " + json.dumps(content, ensure_ascii=False).encode() + b"\n\n")


def _head(body: dict) -> dict:
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}


def _choice(delta: dict, finish: str | None = None) -> dict:
    return {"index": 0, "delta": delta, "finish_reason": finish}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int)
    Server(("127.0.0.1", parser.parse_args().port), Handler).serve_forever()
