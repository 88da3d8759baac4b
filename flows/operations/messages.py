"""The messages that flows show to people, in Spanish and English."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tools.schema import Language

MESSAGES: dict[str, tuple[str, str]] = {
    # why a file was not ingested
    "missing": ("no existe", "does not exist"),
    "empty": ("está vacío", "is empty"),
    "binary": ("es binario, no texto", "is binary, not text"),
    "encoding": ("no es texto UTF-8 válido", "is not valid UTF-8 text"),
    "unreadable": ("no se puede leer: {detail}", "cannot be read: {detail}"),
    "too_large": ("ocupa {size} bytes; el máximo es {limit}", "has {size} bytes; the maximum is {limit}"),
    "unsupported": ("tipo de archivo no admitido", "unsupported type of file"),
    "same_id": ("tiene el mismo identificador que {other}", "has the same identifier as {other}"),
    "bad_name": ("su nombre no sirve de identificador", "its name can not be an identifier"),
    "no_text": ("el registro no tiene «text»", "the record has no “text”"),
    "malformed": ("no se puede interpretar: {detail}", "cannot be parsed: {detail}"),
    # ingest
    "found": ("{count} archivos encontrados en {sources}", "{count} files found in {sources}"),
    "batch": ("{done} de {total} documentos procesados", "{done} of {total} documents processed"),
    "failed_file": ("{name}: {reason}", "{name}: {reason}"),
    "deleted": ("{count} documentos borrados porque ya no están", "{count} documents deleted: they are gone"),
    "incomplete": (
        "no se borra nada: no se pudieron listar todas las fuentes",
        "nothing is deleted: not every source could be listed",
    ),
    "mass_delete": (
        "no se borra nada: faltan {count} de {total} documentos; confirma con max_delete_share=1",
        "nothing is deleted: {count} of {total} documents are missing; confirm with max_delete_share=1",
    ),
    "summary": (
        "{added} añadidos, {changed} cambiados, {unchanged} iguales, {deleted} borrados, {failed} fallidos",
        "{added} added, {changed} changed, {unchanged} unchanged, {deleted} deleted, {failed} failed",
    ),
    "nothing": ("no hay nada que ingerir en {sources}", "there is nothing to ingest in {sources}"),
    "report_title": ("Ingesta en la colección", "Ingestion into the collection"),
    # health
    "healthy": ("bien", "healthy"),
    "degraded": ("degradado", "degraded"),
    "down": ("caído", "down"),
    "canary_ok": ("la respuesta cita «{expected}»", "the answer cites “{expected}”"),
    "canary_bad": (
        "la respuesta no cita «{expected}», sino {found}",
        "the answer does not cite “{expected}” but {found}",
    ),
    "disk_free": ("quedan {free} GiB libres", "{free} GiB free"),
    "no_orphans": ("ninguno", "none"),
    "days_left": ("válido {days} días más", "good for {days} more days"),
    "late": (
        "{count} ejecuciones esperan más de {minutes} minutos",
        "{count} runs have waited over {minutes} min",
    ),
    "on_time": ("nada espera", "nothing waits"),
    "died": (
        "{crashed} murieron sin avisar, {retried} se repiten",
        "{crashed} died without a word, {retried} run once more",
    ),
    "none_died": ("ninguna ha muerto", "none died"),
    "turned_down": ("{name} ha dejado de funcionar", "{name} is down"),
    "turned_up": ("{name} vuelve a funcionar", "{name} works again"),
    "runs": ("ejecuciones", "runs"),
    "reports": ("informes", "reports"),
    "logs": ("registros", "logs"),
    "results": ("resultados", "results"),
    "cleaned": ("borrados: {parts} ({size} MiB)", "removed: {parts} ({size} MiB)"),
    "would_clean": (
        "se borrarían: {parts} ({size} MiB); confirma con dry_run=false",
        "would remove: {parts} ({size} MiB); confirm with dry_run=false",
    ),
    "warmed": ("{count} de {total} listos", "{count} of {total} ready"),
    "new_lead": ("nuevo contacto: {name}", "new contact: {name}"),
    "lead_kept": ("contacto guardado", "contact kept"),
    "lead_known": ("ya estaba guardado", "it was kept already"),
    "kept": ("conversación {name} guardada", "conversation {name} kept"),
    "known": ("la conversación {name} no ha cambiado", "conversation {name} has not changed"),
    "no_generator": ("no hay ningún modelo que genere texto", "there is no model that generates text"),
    "agreed": (
        "{model} tiene más acuerdo; respondieron {count} de {total}",
        "{model} has most agreement; {count} of {total} answered",
    ),
    "promise_kept": ("disponibilidad prometida en {hours} h", "available as promised over {hours} h"),
    "promise_broken": ("disponibilidad en {hours} h: {parts}", "availability over {hours} h: {parts}"),
    "worse": ("la calidad ha bajado: {parts}", "quality fell: {parts}"),
    "retired": ("copia antigua borrada: {name}", "old backup removed: {name}"),
    "backed_up": ("{documents} documentos copiados en {path}", "{documents} documents backed up in {path}"),
    "would_restore": (
        "la copia está bien: {documents} documentos de {made}; para ponerla, confirm=true",
        "the backup is sound: {documents} documents of {made}; to put it back, confirm=true",
    ),
    "rebuilding": (
        "PostgreSQL repuesto; el puente reescribe {documents} documentos",
        "PostgreSQL is back; the bridge writes {documents} documents again",
    ),
    "restored": ("{documents} documentos de {made} repuestos", "{documents} documents of {made} are back"),
    "not_found": (
        "repuestos, pero la búsqueda no encuentra {names}",
        "back, but search does not find {names}",
    ),
    "reconciled": (
        "{looked} documentos mirados, {count} distintos",
        "{looked} documents looked at, {count} differ",
    ),
    "model_away": ("el modelo {model} no está disponible", "the model {model} is not available"),
    "no_tokens": (
        "no quedan tokens para esta ejecución; lo leerá la siguiente",
        "no tokens are left for this run; the next one will read it",
    ),
    "extracted": (
        "{done} de {total} documentos leídos: {entities} entidades, {relations} relaciones, "
        "{dropped} descartadas, {tokens} tokens",
        "{done} of {total} documents read: {entities} entities, {relations} relations, "
        "{dropped} dropped, {tokens} tokens",
    ),
    "test_alert": ("aviso de prueba", "test alert"),
    "no_channel": (
        "no hay ningún canal: define CAPIBARA6_ALERTS__WEBHOOK o CAPIBARA6_ALERTS__SMTP y __TO",
        "there is no channel: set CAPIBARA6_ALERTS__WEBHOOK or CAPIBARA6_ALERTS__SMTP and __TO",
    ),
    "all_well": ("todo funciona", "everything works"),
    "not_well": ("fallan: {names}", "failing: {names}"),
}


def say(key: str, language: Language, **fields: object) -> str:
    """The message `key` in the person's language, with its fields filled in. Raises `KeyError`."""
    return MESSAGES[key][0 if language == "es" else 1].format(**fields)
