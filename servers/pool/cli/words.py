"""What the commands that bring and measure models say, in Spanish and English."""

from typing import Final

from tools.schema import Language

WORDS: Final[dict[str, tuple[str, str]]] = {
    "source": ("Fuente", "Source"),
    "backend": ("Lo sirve", "Served by"),
    "architecture": ("Arquitectura", "Architecture"),
    "parameters": ("Parámetros", "Parameters"),
    "weights": ("Pesos", "Weights"),
    "context": ("Contexto", "Context"),
    "quantization": ("Cuantización", "Quantization"),
    "template": ("Plantilla de chat", "Chat template"),
    "kind": ("Tipo", "Kind"),
    "abilities": ("Sabe", "Can"),
    "note": ("Ojo", "Note"),
    "domain": ("Dominio", "Domain"),
    "args": ("Argumentos", "Arguments"),
    "memory": ("Memoria", "Memory"),
    "state": ("Estado", "State"),
    "file": ("Declarado en", "Declared in"),
    "adapters": ("Adaptadores", "Adapters"),
    "yes": ("sí", "yes"),
    "no": ("no", "no"),
    "built_in": ("el catálogo incorporado", "the built-in catalogue"),
    "not_running": ("la pool no está en marcha", "the pool is not running"),
    "converting": ("Convirtiendo {name} a safetensors…", "Converting {name} to safetensors…"),
    "trying": ("Cargando y probando {name}…", "Loading and trying {name}…"),
    "measuring": ("Midiendo {name}…", "Measuring {name}…"),
    "answered": (
        "Responde: {text}\n"
        "{load:.1f} s de carga, {first:.2f} s hasta la primera palabra, {rate:.1f} tokens/s",
        "Answers: {text}\n{load:.1f} s to load, {first:.2f} s to the first word, {rate:.1f} tokens/s",
    ),
    "answered_at_once": (
        "Responde: {text}\n{load:.1f} s de carga, {first:.2f} s en responder",
        "Answers: {text}\n{load:.1f} s to load, {first:.2f} s to answer",
    ),
    "loaded_alone": (
        "Carga en {load:.1f} s; no hay pregunta de prueba para audio",
        "Loads in {load:.1f} s; there is no trial question for audio",
    ),
    "added": (
        "{name} está en {file}. Si la pool está en marcha, reiníciala para que lo sirva.",
        "{name} is in {file}. If the pool is running, restart it to serve it.",
    ),
    "not_added": ("No se ha añadido nada: {name} no responde.", "Nothing was added: {name} does not answer."),
    "removed": (
        "{name} ya no está en {file}. Si la pool está en marcha, reiníciala.",
        "{name} is no longer in {file}. If the pool is running, restart it.",
    ),
    "deleted": ("Borrados los pesos en {folder}", "Deleted the weights in {folder}"),
    "kept": (
        "Sus pesos siguen en {folder}; con --weights se borran los que trajo capibara6",
        "Its weights stay in {folder}; --weights deletes those that capibara6 brought",
    ),
    "streams": ("A la vez", "At once"),
    "first": ("Primer token", "First token"),
    "rate": ("tokens/s en total", "tokens/s in all"),
    "rate_each": ("tokens/s cada uno", "tokens/s each"),
}


def word(key: str, language: Language, /, **values: object) -> str:
    """The text `key` with its values filled in."""
    spanish, english = WORDS[key]
    return (spanish if language == "es" else english).format(**values)
