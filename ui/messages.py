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
    "retry": {"es": "Reintentar", "en": "Retry"},
    "interrupted": {
        "es": "La respuesta espera a que una persona apruebe lo que va a hacer.",
        "en": "The answer waits for a person to approve what it is about to do.",
    },
    "history": {"es": "Conversaciones", "en": "Conversations"},
    "search_history": {"es": "Buscar en las conversaciones", "en": "Search conversations"},
    "no_history": {"es": "Aquí aparecerán tus conversaciones.", "en": "Your conversations will appear here."},
    "none_found": {"es": "Ninguna se llama así.", "en": "None is called that."},
    "today": {"es": "Hoy", "en": "Today"},
    "yesterday": {"es": "Ayer", "en": "Yesterday"},
    "week": {"es": "Últimos siete días", "en": "Last seven days"},
    "earlier": {"es": "Antes", "en": "Earlier"},
    "rename": {"es": "Cambiar el nombre", "en": "Rename"},
    "delete": {"es": "Borrar", "en": "Delete"},
    "deleted": {"es": "Conversación borrada.", "en": "Conversation deleted."},
    "undo": {"es": "Deshacer", "en": "Undo"},
    "evidence": {"es": "Pasaje citado", "en": "Cited passage"},
    "close": {"es": "Cerrar", "en": "Close"},
    "previous": {"es": "Cita anterior", "en": "Previous citation"},
    "next": {"es": "Cita siguiente", "en": "Next citation"},
    "page_of": {"es": "página {page}", "en": "page {page}"},
    "slide_of": {"es": "diapositiva {slide}", "en": "slide {slide}"},
    "sheet_of": {"es": "hoja {sheet}", "en": "sheet {sheet}"},
    "rows_of": {"es": "filas {first}-{last}", "en": "rows {first}-{last}"},
    "no_sentence": {
        "es": "Ninguna frase concreta de este pasaje se ha podido señalar.",
        "en": "No single sentence of this passage could be pointed out.",
    },
    "image": {"es": "imagen", "en": "image"},
    "sign_in": {"es": "Entrar", "en": "Sign in"},
    "user": {"es": "Usuario", "en": "User name"},
    "password": {"es": "Contraseña", "en": "Password"},
    "enter": {"es": "Entrar", "en": "Sign in"},
    "or": {"es": "o", "en": "or"},
    "enter_with_provider": {
        "es": "Entrar con la cuenta de la organización",
        "en": "Sign in with your organisation's account",
    },
    "wrong_password": {
        "es": "El usuario o la contraseña no son correctos.",
        "en": "The user name or the password is wrong.",
    },
    "too_many_tries": {
        "es": "Demasiados intentos. Espera {seconds} segundos y vuelve a probar.",
        "en": "Too many tries. Wait {seconds} seconds and try again.",
    },
    "sign_in_failed": {
        "es": "No se ha podido ahora. Vuelve a probar dentro de un momento.",
        "en": "It did not work just now. Try again in a moment.",
    },
    "provider_refused": {
        "es": "La cuenta no se ha podido comprobar. Empieza otra vez desde el principio.",
        "en": "The account could not be verified. Start again from the beginning.",
    },
    "provider_denied": {
        "es": "La entrada se canceló en la página de la organización.",
        "en": "The sign-in was cancelled on the organisation's page.",
    },
    "provider_away": {
        "es": "El servicio de cuentas de la organización no responde. Prueba más tarde.",
        "en": "The organisation's account service does not answer. Try again later.",
    },
    "no_role": {
        "es": "Tu cuenta no está en ningún grupo con acceso. Pídelo a quien administra la plataforma.",
        "en": "Your account is in no group with access. Ask whoever runs the platform.",
    },
    "name_taken": {
        "es": "Ya hay otra persona con tu nombre de usuario. Pide ayuda a quien administra la plataforma.",
        "en": "Another person already has your user name. Ask whoever runs the platform for help.",
    },
    "try_again": {"es": "Volver a la entrada", "en": "Back to sign-in"},
    "back": {"es": "Volver al chat", "en": "Back to the chat"},
    "sessions": {"es": "Sesiones", "en": "Sessions"},
    "sessions_of": {"es": "Sesiones de {user}", "en": "Sessions of {user}"},
    "no_sessions": {"es": "No hay ninguna sesión abierta.", "en": "There is no open session."},
    "this_session": {"es": "esta sesión", "en": "this session"},
    "session_since": {"es": "abierta {moment} UTC", "en": "opened {moment} UTC"},
    "session_seen": {"es": "vista {moment}", "en": "seen {moment}"},
    "end": {"es": "Cerrar", "en": "End"},
    "sign_out": {"es": "Salir", "en": "Sign out"},
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
