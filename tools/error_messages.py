"""What a person reads when something fails: one sentence per error code, in Spanish and English.

Programs read the English message in the error envelope; this file is for the UI and the command line.
"""

from typing import Final

from tools.schema import Language

UNKNOWN: Final = "internal_error"

SENTENCES: Final[dict[str, dict[Language, str]]] = {
    "internal_error": {
        "es": "Algo falló dentro de la plataforma. El registro del servicio dice qué fue.",
        "en": "Something failed inside the platform. The service's log says what it was.",
    },
    "bad_request": {
        "es": "La petición no se entendió. Revísala e inténtalo de nuevo.",
        "en": "The request was not understood. Check it and try again.",
    },
    "invalid_value": {
        "es": "Uno de los valores no es válido. Revísalo e inténtalo de nuevo.",
        "en": "One of the values is not valid. Check it and try again.",
    },
    "malformed_request": {
        "es": "La petición llegó mal formada.",
        "en": "The request arrived malformed.",
    },
    "empty_question": {
        "es": "La pregunta está vacía. Escribe algo y vuelve a enviarla.",
        "en": "The question is empty. Write something and send it again.",
    },
    "nothing_to_say": {
        "es": "El texto no contiene nada que se pueda leer en voz alta.",
        "en": "The text holds nothing that can be read aloud.",
    },
    "language_not_supported": {
        "es": "Ninguna voz habla ese idioma. Hay voces en español e inglés.",
        "en": "No voice speaks that language. There are Spanish and English voices.",
    },
    "invalid_api_key": {
        "es": "Falta la clave de acceso o no es la correcta (CAPIBARA6_API_KEY).",
        "en": "The access key is missing or wrong (CAPIBARA6_API_KEY).",
    },
    "not_signed_in": {
        "es": "Entra primero con tu usuario.",
        "en": "Sign in first.",
    },
    "invalid_token": {
        "es": "La cuenta de la organización no se ha podido comprobar.",
        "en": "The organisation's account could not be verified.",
    },
    "forbidden": {
        "es": "No tienes permiso para hacer eso.",
        "en": "You are not allowed to do that.",
    },
    "foreign_origin": {
        "es": "Una página de otro sitio lo pide y no está entre las permitidas (CAPIBARA6_ORIGINS).",
        "en": "A page of another site asks, and it is none of those allowed (CAPIBARA6_ORIGINS).",
    },
    "misdirected_request": {
        "es": "Ese nombre no es de esta instalación (CAPIBARA6_NAMES).",
        "en": "That name is none of this installation's (CAPIBARA6_NAMES).",
    },
    "unsupported_media_type": {
        "es": "El cuerpo ha de ser JSON, con content-type: application/json.",
        "en": "The body must be JSON, with content-type: application/json.",
    },
    "quota_exceeded": {
        "es": "Se ha agotado lo que esta cuenta puede usar hoy.",
        "en": "What this account may use today is used up.",
    },
    "not_found": {
        "es": "Eso no existe o ya no está.",
        "en": "That does not exist, or is no longer there.",
    },
    "model_not_found": {
        "es": "No hay ningún modelo con ese nombre.",
        "en": "There is no model with that name.",
    },
    "agent_not_found": {
        "es": "No hay ningún agente con ese nombre.",
        "en": "There is no agent with that name.",
    },
    "reranker_not_configured": {
        "es": "No hay un modelo que reordene resultados: ponlo en CAPIBARA6_SEARCH__RERANKER.",
        "en": "No model reorders results here: name one in CAPIBARA6_SEARCH__RERANKER.",
    },
    "embedder_missing": {
        "es": "El modelo de embeddings de esa colección no está configurado o no está instalado.",
        "en": "The embedding model of that collection is not configured or not installed.",
    },
    "bad_vectors": {
        "es": "El modelo de embeddings devolvió vectores que no sirven.",
        "en": "The embedding model gave vectors that are of no use.",
    },
    "document_not_found": {
        "es": "Ese documento no está en la base de conocimiento.",
        "en": "That document is not in the knowledge base.",
    },
    "collection_not_found": {
        "es": "Esa colección todavía no existe: ingiere documentos primero (capibara6 ingest).",
        "en": "That collection does not exist yet: ingest documents first (capibara6 ingest).",
    },
    "chunk_not_found": {
        "es": "Ese pasaje ya no es parte del documento.",
        "en": "That passage is no longer part of the document.",
    },
    "document_changed": {
        "es": "El documento cambió mientras tanto. Vuelve a leerlo e inténtalo otra vez.",
        "en": "The document changed meanwhile. Read it again and try once more.",
    },
    "voice_not_found": {
        "es": "Esa voz no está instalada.",
        "en": "That voice is not installed.",
    },
    "conflict": {
        "es": "Otra operación sobre lo mismo está en marcha. Espera a que termine.",
        "en": "Another operation on the same thing is under way. Wait for it to finish.",
    },
    "too_large": {
        "es": "El texto es demasiado largo. Acórtalo e inténtalo de nuevo.",
        "en": "The text is too long. Shorten it and try again.",
    },
    "queue_full": {
        "es": "Hay demasiadas peticiones en espera. Inténtalo dentro de unos segundos.",
        "en": "Too many requests are waiting. Try again in a few seconds.",
    },
    "rate_limited": {
        "es": "Has enviado demasiadas peticiones seguidas. Espera un momento.",
        "en": "You sent too many requests in a row. Wait a moment.",
    },
    "too_many_at_once": {
        "es": "Esta clave ya tiene demasiadas peticiones en marcha. Espera a que terminen algunas.",
        "en": "This key already has too many requests under way. Wait for some of them to finish.",
    },
    "too_many_keys": {
        "es": "Hay demasiadas claves. Revoca las que no se usen (capibara6 keys revoke).",
        "en": "There are too many keys. Revoke those that are not used (capibara6 keys revoke).",
    },
    "user_not_found": {
        "es": "No hay ninguna persona con ese nombre.",
        "en": "There is no user of that name.",
    },
    "user_exists": {
        "es": "Ya hay una persona con ese nombre.",
        "en": "There is a user of that name already.",
    },
    "session_not_found": {
        "es": "No hay ninguna sesión con ese identificador.",
        "en": "There is no session with that id.",
    },
    "wrong_password": {
        "es": "El nombre o la contraseña no son correctos.",
        "en": "The name or the password is wrong.",
    },
    "too_many_failures": {
        "es": "Demasiados intentos fallidos. Espera unos minutos.",
        "en": "Too many failed attempts. Wait a few minutes.",
    },
    "write_not_allowed": {
        "es": "Puedes leerlo, pero no cambiarlo.",
        "en": "You may read it, not change it.",
    },
    "key_not_found": {
        "es": "No hay ninguna clave con ese identificador.",
        "en": "There is no key with that id.",
    },
    "engine_died": {
        "es": "El modelo murió mientras respondía. La pregunta no se repite sola: vuelve a intentarlo.",
        "en": "The model died while it was answering. The question is not repeated by itself: try again.",
    },
    "mcp_session_over": {
        "es": "La sesión con el servidor de herramientas terminó. Vuelve a intentarlo.",
        "en": "The session with the tools' server is over. Try again.",
    },
    "thread_busy": {
        "es": "La pregunta anterior todavía se está respondiendo. Espera a que termine o detenla.",
        "en": "The question before is still being answered. Wait until it ends, or stop it.",
    },
    "cancelled": {
        "es": "La respuesta se detuvo antes de terminar.",
        "en": "The answer was stopped before it ended.",
    },
    "not_supported": {
        "es": "Esta plataforma no ofrece esa función.",
        "en": "This platform does not offer that function.",
    },
    "upstream_failed": {
        "es": "Un servicio falló mientras respondía. Vuelve a intentarlo.",
        "en": "A service failed while answering. Try again.",
    },
    "unavailable": {
        "es": "Un servicio necesario no está disponible ahora. Comprueba cuál con «capibara6 doctor».",
        "en": "A service that is needed is not available now. See which with “capibara6 doctor”.",
    },
    "model_unavailable": {
        "es": "Ningún modelo puede responder ahora. «capibara6 doctor» dice qué falta.",
        "en": "No model can answer now. “capibara6 doctor” says what is missing.",
    },
    "store_unavailable": {
        "es": "La base de conocimiento no responde. Inténtalo dentro de un momento.",
        "en": "The knowledge base does not answer. Try again in a moment.",
    },
    "draining": {
        "es": "La plataforma se está deteniendo y no admite peticiones nuevas.",
        "en": "The platform is stopping and takes no new requests.",
    },
    "upstream_silent": {
        "es": "El servicio tardó demasiado en responder. Vuelve a intentarlo.",
        "en": "The service took too long to answer. Try again.",
    },
    "state_refused": {
        "es": "Lo recordado de esta conversación no es de fiar y no se usa. Empieza una nueva.",
        "en": "What was remembered of this conversation can not be trusted and is not used. Start a new one.",
    },
    "nothing_ingested": {
        "es": "Ninguna fuente dio documentos: revisa las rutas.",
        "en": "No source gave a document: check the paths.",
    },
    "mass_delete": {
        "es": "Han desaparecido demasiados documentos a la vez: se conservan hasta que alguien lo confirme.",
        "en": "Too many documents are gone at once: they are kept until somebody confirms.",
    },
    "program_failed": {
        "es": "Un programa auxiliar terminó con un error.",
        "en": "A helper program ended with an error.",
    },
    "bad_address": {
        "es": "Eso no es una dirección web que se pueda leer.",
        "en": "That is not a web address that can be read.",
    },
    "internal_address": {
        "es": "Esa dirección lleva a una red interna y no se abre (CAPIBARA6_FETCH__ALLOW).",
        "en": "That address leads to an internal network and is not opened (CAPIBARA6_FETCH__ALLOW).",
    },
    "engine_gone": {
        "es": "El modelo se está cerrando o acaba de caer. Vuelve a intentarlo.",
        "en": "The model is closing or has just died. Try again.",
    },
    "home_unusable": {
        "es": "El directorio de datos ha de ser una carpeta en la que se pueda escribir (CAPIBARA6_HOME).",
        "en": "The data directory must be a folder that can be written to (CAPIBARA6_HOME).",
    },
    "nothing_to_run": {
        "es": "Nada de la plataforma corre en esta máquina: CAPIBARA6_HOSTS lo pone todo en otras. "
        "La propia se escribe 127.0.0.1.",
        "en": "Nothing of the platform runs on this machine: CAPIBARA6_HOSTS places all of it on others. "
        "This one is written 127.0.0.1.",
    },
    "bound_too_narrowly": {
        "es": "Las otras máquinas no llegan a esta: se anuncia por una dirección que CAPIBARA6_HOST no abre. "
        "Pon esa dirección, o 0.0.0.0.",
        "en": "The other machines do not reach this one: it is announced by an address that CAPIBARA6_HOST "
        "does not bind. Set that address, or 0.0.0.0.",
    },
    "storage_full": {
        "es": "No queda espacio en el disco: libera un poco para seguir guardando datos.",
        "en": "The disk is full: free some space to go on storing data.",
    },
    "mcp_error": {
        "es": "El servidor MCP rechazó la petición.",
        "en": "The MCP server refused the request.",
    },
}


def sentence(code: str, language: Language, detail: str = "") -> str:
    """The sentence for `code`; an unknown code gets the general one. `detail` follows in parentheses."""
    text = SENTENCES.get(code, SENTENCES[UNKNOWN])[language]
    return f"{text} ({detail})" if detail else text
