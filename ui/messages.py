"""The UI's messages in Spanish and English. Sentences about failures live in `tools/error_messages.py`."""

from typing import Final

from tools.schema import Language

MESSAGES: Final[dict[str, dict[Language, str]]] = {
    "tagline": {
        "es": "Pregunta a tus documentos. Todo se queda en tus máquinas.",
        "en": "Ask your documents. Everything stays on your machines.",
    },
    "welcome": {
        "es": "¿Qué quieres saber?",
        "en": "What would you like to know?",
    },
    "welcome_more": {
        "es": "Respondo a partir de los documentos que se han cargado, y cito cada fuente.",
        "en": "I answer from the documents that were loaded, and cite every source.",
    },
    "ask": {"es": "Escribe tu pregunta…", "en": "Write your question…"},
    "examples": {"es": "Prueba con", "en": "Try"},
    "new": {"es": "Nueva conversación", "en": "New conversation"},
    "listen": {"es": "Escuchar la respuesta", "en": "Listen to the answer"},
    "conversation": {"es": "Conversación", "en": "Conversation"},
    "sources": {"es": "Fuentes", "en": "Sources"},
    "how": {"es": "Cómo se respondió", "en": "How it was answered"},
    "agent": {"es": "agente", "en": "agent"},
    "model": {"es": "modelo", "en": "model"},
    "why": {"es": "motivo", "en": "why"},
    "wanted": {"es": "modelo ideal", "en": "ideal model"},
    "degraded": {"es": "sin respuesta de", "en": "no reply from"},
    "times": {"es": "tiempos", "en": "times"},
    "total": {"es": "total", "en": "total"},
    "route": {"es": "elegir modelo", "en": "choose model"},
    "retrieve": {"es": "buscar", "en": "search"},
    "answer": {"es": "responder", "en": "answer"},
    "speak": {"es": "leer en voz alta", "en": "read aloud"},
    "starting": {"es": "Pensando…", "en": "Thinking…"},
    "routed": {"es": "Modelo elegido: {model}. Buscando…", "en": "Model chosen: {model}. Searching…"},
    "retrieved": {
        "es": "Leyendo {count} pasajes…",
        "en": "Reading {count} passages…",
    },
    "one_retrieved": {"es": "Leyendo un pasaje…", "en": "Reading one passage…"},
    "none_retrieved": {"es": "Ningún pasaje encontrado…", "en": "No passages found…"},
    "nothing_to_hear": {"es": "Todavía no hay ninguna respuesta.", "en": "There is no answer yet."},
    "image": {"es": "imagen", "en": "image"},
}

EXAMPLES: Final[dict[Language, tuple[str, ...]]] = {
    "es": (
        "¿Cuántos modelos puede tener cargados a la vez el servidor?",
        "¿Cómo añado una carpeta de documentos?",
        "¿Cómo se combinan los resultados de la búsqueda híbrida?",
        "¿Qué hace capibara6 doctor?",
    ),
    "en": (
        "How many models can the server keep loaded at the same time?",
        "How do I add a folder of documents?",
        "How does hybrid search combine its results?",
        "What does capibara6 doctor do?",
    ),
}


def say(key: str, language: Language, **values: object) -> str:
    """The message `key` with its fields filled in; a stage without a message of its own is shown as it is."""
    text = MESSAGES.get(key, {}).get(language, key)
    return text.format(**values) if values else text
