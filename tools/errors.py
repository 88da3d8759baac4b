"""One tree of errors; each class carries the HTTP status, type and code that the doors show.

Capibara6Error 500 ── StateRefused
├── BadRequest 400 ── EmptyQuestion
├── Unauthorized 401 · Forbidden 403 ── ForeignOrigin
├── NotFound 404 ── ModelNotFound · AgentNotFound · DocumentNotFound · CollectionNotFound · VoiceNotFound
│                   ChunkNotFound · NothingIngested
├── Conflict 409 ── MassDelete · DocumentChanged
├── TooLarge 413 · UnsupportedMediaType 415 · Misdirected 421
├── QueueFull 429 · RateLimited 429 ── QuotaExceeded
├── Cancelled 499
├── NotSupported 501
├── UpstreamFailed 502 ── BadVectors · ProgramFailed · EngineDied
├── Unavailable 503 ── ModelUnavailable · EngineGone · EmbedderMissing
│                     StoreUnavailable · Draining
├── UpstreamSilent 504
└── StorageFull 507

Foreign errors are translated once, in the client that met them (`raise … from exc`).
"""

from typing import Any, ClassVar

from tools.schema import JsonObject


class Capibara6Error(Exception):
    """Base of every error that a person or a program may see.

    Args: `message` (English, for programs and logs), `param` (the field at fault),
    `source` (the service that failed), `retry_after` (seconds, int >= 1).
    """

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    code: str = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        source: str | None = None,
        retry_after: int | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.source = source
        self.retry_after = retry_after
        if code is not None:
            self.code = code

    def envelope(self) -> JsonObject:
        """OpenAI's error shape plus `source`: `{"error": {message, type, code, param, source}}`."""
        return {
            "error": {
                "message": self.message,
                "type": self.type,
                "code": self.code,
                "param": self.param,
                "source": self.source,
            }
        }


class BadRequest(Capibara6Error):
    status, type, code = 400, "invalid_request_error", "bad_request"


class EmptyQuestion(BadRequest):
    code = "empty_question"


class Unauthorized(Capibara6Error):
    status, type, code = 401, "authentication_error", "invalid_api_key"


class Forbidden(Capibara6Error):
    status, type, code = 403, "permission_error", "forbidden"


class ForeignOrigin(Forbidden):
    """A page of another site asks, and is none of those that the settings name."""

    code = "foreign_origin"


class NotFound(Capibara6Error):
    status, type, code = 404, "not_found_error", "not_found"


class ModelNotFound(NotFound):
    code = "model_not_found"


class AgentNotFound(NotFound):
    code = "agent_not_found"


class DocumentNotFound(NotFound):
    code = "document_not_found"


class CollectionNotFound(NotFound):
    code = "collection_not_found"


class ChunkNotFound(NotFound):
    code = "chunk_not_found"


class VoiceNotFound(NotFound):
    code = "voice_not_found"


class NothingIngested(NotFound):
    """No source gave a document: the run fails, so that somebody looks."""

    code = "nothing_ingested"


class Conflict(Capibara6Error):
    status, type, code = 409, "conflict_error", "conflict"


class MassDelete(Conflict):
    """Too many documents left the source at once; they are kept until somebody confirms."""

    code = "mass_delete"


class DocumentChanged(Conflict):
    """What was read of a document is not what it says now."""

    code = "document_changed"


class TooLarge(Capibara6Error):
    status, type, code = 413, "invalid_request_error", "too_large"


class UnsupportedMediaType(Capibara6Error):
    """The body is of a kind that the route does not take: JSON routes take JSON alone."""

    status, type, code = 415, "invalid_request_error", "unsupported_media_type"


class Misdirected(Capibara6Error):
    """The request calls the door by a name that is none of its own (RFC 9110, 15.5.20)."""

    status, type, code = 421, "invalid_request_error", "misdirected_request"


class QueueFull(Capibara6Error):
    status, type, code = 429, "rate_limit_error", "queue_full"


class RateLimited(Capibara6Error):
    status, type, code = 429, "rate_limit_error", "rate_limited"


class QuotaExceeded(RateLimited):
    """A key or a user has used up what it may use; `retry_after` leads to the next day (UTC)."""

    code = "quota_exceeded"


class Cancelled(Capibara6Error):
    status, type, code = 499, "cancelled_error", "cancelled"


class NotSupported(Capibara6Error):
    status, type, code = 501, "not_supported_error", "not_supported"


class UpstreamFailed(Capibara6Error):
    status, type, code = 502, "upstream_error", "upstream_failed"


class BadVectors(UpstreamFailed):
    """An embedder gave too few vectors, of another size, or without direction."""

    code = "bad_vectors"


class ProgramFailed(UpstreamFailed):
    """A program that was run ended with an error, which is what it said last."""

    code = "program_failed"


class EngineDied(UpstreamFailed):
    """An engine died while it had the request: nobody is asked the same again."""

    code = "engine_died"


class Unavailable(Capibara6Error):
    status, type, code = 503, "unavailable_error", "unavailable"


class ModelUnavailable(Unavailable):
    code = "model_unavailable"


class EngineGone(Unavailable):
    """An engine of ours accepts no connection: it is ending or has just died."""

    code = "engine_gone"


class EmbedderMissing(Unavailable):
    """A collection's embedder is not in settings any more, or what it runs on is not installed."""

    code = "embedder_missing"


class StoreUnavailable(Unavailable):
    code = "store_unavailable"


class Draining(Unavailable):
    code = "draining"


class UpstreamSilent(Capibara6Error):
    status, type, code = 504, "timeout_error", "upstream_silent"


class StorageFull(Capibara6Error):
    status, type, code = 507, "storage_error", "storage_full"


class StateRefused(Capibara6Error):
    """A remembered value is not what this platform wrote; the run that needs it fails closed."""

    code = "state_refused"


def from_envelope(status: int, body: Any, *, source: str, retry_after: int | None = None) -> Capibara6Error:
    """Rebuild the error that a peer of ours put on the wire; `body` is its parsed JSON or None.

    The class is found by code, then by status, so that `except ModelNotFound` works across HTTP.
    """
    error = body.get("error") if isinstance(body, dict) else None
    error = error if isinstance(error, dict) else {}
    code = error.get("code") if isinstance(error.get("code"), str) else None
    message = error.get("message") if isinstance(error.get("message"), str) else None
    kind = _by_code(code) or _by_status(status)
    detail = body.get("detail") if isinstance(body, dict) else None  # FastAPI's own shape: Prefect, vLLM
    return kind(
        message or (detail if isinstance(detail, str) else None) or f"{source} answered HTTP {status}",
        param=error.get("param") if isinstance(error.get("param"), str) else None,
        source=error.get("source") if isinstance(error.get("source"), str) else source,
        retry_after=retry_after,
        code=code,
    )


def _tree(root: type[Capibara6Error] = Capibara6Error) -> list[type[Capibara6Error]]:
    return [root, *(kind for child in root.__subclasses__() for kind in _tree(child))]


def _by_code(code: str | None) -> type[Capibara6Error] | None:
    return next((kind for kind in _tree() if kind.code == code), None)


def _by_status(status: int) -> type[Capibara6Error]:
    exact = (kind for kind in _tree() if kind.status == status)
    return next(exact, UpstreamFailed if status >= 500 else BadRequest)
