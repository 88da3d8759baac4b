"""Messages of the command line in Spanish and English. Those of errors are in `tools/error_messages.py`."""

from tools.settings import Language

MESSAGES: dict[str, tuple[str, str]] = {
    "service": ("Servicio", "Service"),
    "state": ("Estado", "State"),
    "address": ("Dirección", "Address"),
    "memory": ("Memoria", "Memory"),
    "starting": ("arrancando", "starting"),
    "healthy": ("en marcha", "healthy"),
    "waiting": ("sin responder", "not answering"),
    "restarting": ("reiniciando", "restarting"),
    "failed": ("caído", "failed"),
    "machine": ("Máquina", "Machine"),
    "version": ("Versión", "Version"),
    "reach_ok": ("responde", "answers"),
    "reach_degraded": ("a medias", "degraded"),
    "reach_down": ("caído", "down"),
    "reach_refused": ("rechaza", "refuses"),
    "reach_silent": ("no responde", "does not answer"),
    "starting_all": ("Arrancando capibara6 en {home}", "Starting capibara6 in {home}"),
    "ready": ("Todo en marcha en {seconds:.1f} s.", "Everything is up in {seconds:.1f} s."),
    "no_sample": (
        "No hay documentos de muestra: la carpeta {folder} no existe.",
        "There are no sample documents: the folder {folder} does not exist.",
    ),
    "ingesting": (
        "Ingiriendo los documentos de muestra con Prefect…",
        "Ingesting the sample documents with Prefect…",
    ),
    "ingested": ("Documentos de muestra al día.", "Sample documents are up to date."),
    "open": (
        "Abre {ui} para conversar · flujos (enlace para una sola vez): {prefect}",
        "Open {ui} to chat · flows (a link that is good once): {prefect}",
    ),
    "model_real": ("Modelos reales disponibles: {models}", "Real models available: {models}"),
    "model_none": (
        "Responde el modelo extractivo, sin pesos. `capibara6 doctor` dice cómo tener un modelo real.",
        "The extractive model answers, without weights. `capibara6 doctor` tells how to get a real one.",
    ),
    "stop_hint": ("Ctrl-C lo para todo.", "Ctrl-C stops everything."),
    "stopping": ("Parando…", "Stopping…"),
    "stopped": ("Todo parado.", "Everything is stopped."),
    "start_failed": ("{detail}", "{detail}"),
    "service_failed": (
        "El servicio {name} no arranca. Final de su registro:",
        "{name} does not start. End of its log:",
    ),
    "still_waiting": (
        "Tras {seconds} s se espera aún a {names}",
        "After {seconds} s still waiting for {names}",
    ),
    "not_ready": (
        "Sin respuesta tras {seconds} s: {names}. Final de su registro:",
        "No answer after {seconds} s: {names}. End of the log:",
    ),
    "port_taken": (
        "Hay puertos ocupados:\n{detail}\nElige otros con CAPIBARA6_PORTS__NOMBRE=… o para esos procesos.",
        "Some ports are taken:\n{detail}\nChoose others with CAPIBARA6_PORTS__NAME=… or stop the others.",
    ),
    "already_running": (
        "capibara6 ya está en marcha con esta carpeta de datos ({detail}).",
        "capibara6 is already running with this data folder ({detail}).",
    ),
    "sources": ("Fuentes", "Sources"),
    "answered_by": ("Respondió {agent} con {model}", "Answered by {agent} with {model}"),
    "because": ("porque {why}", "because {why}"),
    "wrote": ("Voz en {path} ({seconds:.1f} s, {voice})", "Speech in {path} ({seconds:.1f} s, {voice})"),
    "not_spoken": ("Sin voz: {reason}", "Not spoken: {reason}"),
    "flow_failed": ("La ingesta no terminó bien; mira {url}", "The ingestion did not end well; see {url}"),
    "part": ("Parte", "Part"),
    "found": ("Lo que hay", "What there is"),
    "how": ("Cómo conseguirlo", "How to get it"),
    "not_running": (
        "La plataforma no está en marcha: `capibara6 up`",
        "The platform is not running: `capibara6 up`",
    ),
}


def message(key: str, language: Language, **values: object) -> str:
    """The message `key` in a language, with `values` filled in."""
    return MESSAGES[key][0 if language == "es" else 1].format(**values)
