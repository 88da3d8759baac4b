"""Prompts in Spanish and English that use the tools: answer with citations, summarise, verify, compare."""

from dataclasses import dataclass
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    GetPromptRequestParams,
    GetPromptResult,
    ListPromptsResult,
    PaginatedRequestParams,
    Prompt,
    PromptArgument,
    PromptMessage,
    TextContent,
)

from servers.mcp.clients import Clients
from tools.schema import Language

Ctx = ServerRequestContext[Clients, Any]
OPTIONAL = ("collection", "language")
MAX_CHARS = 32_000


@dataclass(frozen=True)
class Template:
    """A prompt: `needs` are its arguments, `texts` what it says with them in each language."""

    title: str
    description: str
    needs: tuple[str, ...]
    texts: dict[Language, str]


PROMPTS = {
    "answer": Template(
        "Answer from the documents / Responder con los documentos",
        "An answer that cites its sources, or says that they do not hold it.",
        ("question",),
        {
            "es": "Busca con search_knowledge{where} y responde solo con lo que digan los pasajes, citando "
            "cada uno como [n] con su título. Si no contienen la respuesta, dilo.\n\nPregunta: {question}",
            "en": "Search with search_knowledge{where} and answer only with what the passages say, citing "
            "each as [n] with its title. If they do not hold the answer, say so.\n\nQuestion: {question}",
        },
    ),
    "summarise": Template(
        "Summarise a document / Resumir un documento",
        "The points of a document, page by page.",
        ("document_id",),
        {
            "es": "Lee el documento {document_id}{where} con read_document, siguiendo `next` hasta el "
            "final, y resúmelo en cinco puntos. No añadas nada que no diga.",
            "en": "Read the document {document_id}{where} with read_document, following `next` to its end, "
            "and summarise it in five points. Add nothing that it does not say.",
        },
    ),
    "verify": Template(
        "Verify a text / Verificar un texto",
        "Which sentences of a text the documents support.",
        ("text",),
        {
            "es": "Comprueba con verify_claim{where} cada frase de este texto. Haz una tabla: frase, "
            "veredicto, fuente. No corrijas nada sin una fuente.\n\n{text}",
            "en": "Check every sentence of this text with verify_claim{where}. Make a table: sentence, "
            "verdict, source. Correct nothing without a source.\n\n{text}",
        },
    ),
}
WHERE: dict[Language, str] = {"es": " en la colección {}", "en": " in the collection {}"}


async def list_prompts(_: Ctx, __: PaginatedRequestParams | None) -> ListPromptsResult:
    """All of them, on one page."""
    return ListPromptsResult(
        prompts=[
            Prompt(
                name=name,
                title=prompt.title,
                description=prompt.description,
                arguments=[
                    *(PromptArgument(name=needed, required=True) for needed in prompt.needs),
                    *(PromptArgument(name=optional, required=False) for optional in OPTIONAL),
                ],
            )
            for name, prompt in PROMPTS.items()
        ]
    )


async def get_prompt(ctx: Ctx, params: GetPromptRequestParams) -> GetPromptResult:
    """One prompt, filled in. Raises MCPError, which names the argument at fault."""
    given = params.arguments or {}
    known = arguments_of(params.name)
    prompt = PROMPTS[params.name]
    if missing := [name for name in prompt.needs if not given.get(name)]:
        raise MCPError(INVALID_PARAMS, f"{params.name} needs {', '.join(missing)}")
    if unknown := sorted(given.keys() - known):
        raise MCPError(
            INVALID_PARAMS, f"{params.name} has no {unknown[0]}; it has: {', '.join(sorted(known))}"
        )
    if any(len(value) > MAX_CHARS for value in given.values()):
        raise MCPError(INVALID_PARAMS, f"an argument is longer than {MAX_CHARS} characters")
    language = _language(given.get("language"), ctx.lifespan_context.settings.language)
    collection = given.get("collection")
    where = WHERE[language].format(collection) if collection else ""
    text = prompt.texts[language].format(where=where, **{name: given[name] for name in prompt.needs})
    message = PromptMessage(role="user", content=TextContent(type="text", text=text))
    return GetPromptResult(description=prompt.title, messages=[message])


def arguments_of(name: str) -> frozenset[str]:
    """The arguments of a prompt. Raises MCPError for one that there is not."""
    if name not in PROMPTS:
        raise MCPError(INVALID_PARAMS, f"there is no prompt {name!r}; there are: {', '.join(PROMPTS)}")
    return frozenset({*PROMPTS[name].needs, *OPTIONAL})


def _language(given: str | None, default: Language) -> Language:
    match given:
        case None | "":
            return default
        case "es" | "en":
            return given
        case _:
            raise MCPError(INVALID_PARAMS, f"language is es or en, not {given!r}")
