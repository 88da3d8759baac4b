"""Which files of this machine a request may have ingested: those below the settings' roots, and no others.

The flow looks again where it reads (`flows/ingestion/sources.py`): links may change meanwhile, and the worker
may be another machine. A caller can not widen what it is told there.
"""

from pathlib import Path

from tools.access.local_files import fixed_part, is_local, lies_below, named_path
from tools.errors import BadRequest, Forbidden
from tools.schema import JsonObject
from tools.sections import Ingest

SETTING = "CAPIBARA6_INGEST__ROOTS"
WITHIN = "within"
OWN = (WITHIN, "credential", "forget")
"""What the platform alone tells the flow: its bound, and what belongs to a source that somebody has added."""


def bounded(deployment: str, parameters: JsonObject, ingest: Ingest) -> JsonObject:
    """The parameters with which a run of `deployment` may start. Raises Forbidden and BadRequest."""
    match deployment.rpartition("/")[2]:
        case "ingest":
            if given := next((name for name in OWN if name in parameters), None):
                raise BadRequest(f"{given} is set by the platform", param=given, source="api")
            _check(parameters.get("sources"), "sources", ingest)
            return {**parameters, WITHIN: [str(root.expanduser().absolute()) for root in ingest.roots]}
        case "evaluate":
            given = parameters.get("questions")
            _check(given if given is None else [given], "questions", ingest)
            return parameters
        case _:
            return parameters


def _check(sources: object, param: str, ingest: Ingest) -> None:
    if sources is None:
        return
    if not isinstance(sources, list) or not all(isinstance(source, str) for source in sources):
        raise BadRequest("a list of texts is needed", param=param, source="api")
    for source in sources:
        if is_local(source) and not _allowed(source, ingest.roots):
            where = f"{source[:200]!r} does not lie below {SETTING}"
            why = f"{where}: name its folder there, or use the command line of that machine"
            raise Forbidden(why, param=param, source="api")


def _allowed(source: str, roots: tuple[Path, ...]) -> bool:
    path = named_path(source)
    if path is None or ".." in path.parts:
        return False
    return lies_below(path, roots) and lies_below(fixed_part(path), roots)
