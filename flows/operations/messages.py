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
    "encoding": (
        "no se reconoce su codificación; guárdalo como UTF-8",
        "its encoding is not recognised; save it as UTF-8",
    ),
    "unreadable": ("no se puede leer: {detail}", "cannot be read: {detail}"),
    "too_large": (
        "ocupa {size} bytes; el máximo es {limit}: divídelo",
        "has {size} bytes; the maximum is {limit}: split it",
    ),
    "robots": (
        "su sitio no quiere que lo lean programas (robots.txt)",
        "its site does not want programs to read it (robots.txt)",
    ),
    "too_many": ("tiene más de {limit} elementos", "has more than {limit} items"),
    "unsupported": ("tipo de archivo no admitido", "unsupported type of file"),
    "outside": ("queda fuera de CAPIBARA6_INGEST__ROOTS", "lies outside CAPIBARA6_INGEST__ROOTS"),
    "link": ("es un enlace que sale de lo nombrado", "is a link that leaves what was named"),
    "locked": (
        "está protegido con contraseña; guarda una copia sin ella",
        "is protected by a password; save a copy without it",
    ),
    "scan": (
        "es la imagen de {pages} páginas, sin texto; para leerla instala el OCR con: make ocr",
        "is a picture of {pages} pages without text; to read it install OCR with: make ocr",
    ),
    "ocr": (
        "es una imagen; para leer su texto instala el OCR con: make ocr",
        "is an image; to read its text install OCR with: make ocr",
    ),
    "other_picture": (
        "es una imagen de un tipo que no se lee; guárdala como PNG o JPEG",
        "is an image of a kind that is not read; save it as PNG or JPEG",
    ),
    "no_writing": ("es una imagen en la que no se lee nada", "is a picture on which nothing can be read"),
    "many_scans": (
        "son {pages} páginas escaneadas más de las {limit} que se leen de un archivo: divídelo",
        "are {pages} scanned pages beyond the {limit} that are read of one file: split it",
    ),
    "old_office": (
        "es un formato antiguo o cerrado; guárdalo como docx, pptx, odt o pdf",
        "is an old or closed format; save it as docx, pptx, odt or pdf",
    ),
    "nested": ("está dentro de demasiados archivos", "is inside too many files"),
    "same_id": ("tiene el mismo identificador que {other}", "has the same identifier as {other}"),
    "bad_name": ("su nombre no sirve de identificador", "its name can not be an identifier"),
    "no_text": (
        "el registro no tiene texto ({fields}); di cuál es con text_field",
        "the record has no text ({fields}); say which it is with text_field",
    ),
    "no_field": ("el registro no tiene el texto «{name}»", "the record has no text “{name}”"),
    "malformed": ("no se puede interpretar: {detail}", "cannot be parsed: {detail}"),
    # ingest
    "found": ("{count} archivos encontrados en {sources}", "{count} files found in {sources}"),
    "batch": (
        "{done} de {total} documentos procesados, {passages} pasajes",
        "{done} of {total} documents processed, {passages} passages",
    ),
    "progress": ("{done} de {total} documentos procesados", "{done} of {total} documents processed"),
    "end_unchanged": ("igual", "same"),
    "end_added": ("añadido", "added"),
    "end_changed": ("cambiado", "changed"),
    "end_moved": ("movido", "moved"),
    "end_deleted": ("borrado", "removed"),
    "end_skipped": ("omitido", "left out"),
    "end_failed": ("rechazado", "refused"),
    "deleted": ("{count} documentos borrados porque ya no están", "{count} documents deleted: they are gone"),
    "incomplete": (
        "no se borra nada: no se pudieron listar todas las fuentes",
        "nothing is deleted: not every source could be listed",
    ),
    "empty_source": (
        "no se borra nada: no hay ningún archivo en {sources}; ¿está montado?",
        "nothing is deleted: there is no file in {sources}; is it mounted?",
    ),
    "mass_delete": (
        "no se borra nada: faltan {count} de {total} documentos; confirma con max_delete_share=1",
        "nothing is deleted: {count} of {total} documents are missing; confirm with max_delete_share=1",
    ),
    "summary": (
        "{added} añadidos, {changed} cambiados, {moved} movidos, {unchanged} iguales, {deleted} borrados, "
        "{failed} rechazados, {skipped} omitidos",
        "{added} added, {changed} changed, {moved} moved, {unchanged} same, {deleted} removed, "
        "{failed} refused, {skipped} left out",
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
    "refitted": ("{used} de {houses} casas, corregidas", "{used} of {houses} houses corrected"),
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
    "rehearsed": (
        "ensayo: {documents} documentos repuestos aparte, {found} de {probes} búsquedas encuentran lo suyo;"
        " conversaciones: {kept}; {right} de {asked} preguntas bien respondidas",
        "rehearsal: {documents} documents back in a place apart, {found} of {probes} searches find theirs;"
        " conversations: {kept}; {right} of {asked} questions answered rightly",
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
    "cron_over": ("su fecha final ya pasó", "its end time is over"),
    "run_success": ("la ejecución {run} respondió", "run {run} answered"),
    "run_interrupted": ("la ejecución {run} espera a una persona", "run {run} waits for a person"),
    "run_failed": ("la ejecución {run} terminó: {status}", "run {run} ended: {status}"),
    "run_endless": (
        "la ejecución {run} sigue sin terminar tras {seconds} s",
        "run {run} has not ended after {seconds} s",
    ),
    "all_well": ("todo funciona", "everything works"),
    "not_well": ("fallan: {names}", "failing: {names}"),
}


def say(key: str, language: Language, **fields: object) -> str:
    """The message `key` in the person's language, with its fields filled in. Raises `KeyError`."""
    return MESSAGES[key][0 if language == "es" else 1].format(**fields)
