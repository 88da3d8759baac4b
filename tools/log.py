"""Structured logs: an event name plus fields, one JSON line each, secrets removed before they are written."""

import logging
import re
import sys
from typing import Any

import structlog

from tools.schema import JsonObject

SECRET_FIELD = re.compile(r"(api_?key|token|password|passwd|secret|authorization|cookie|dsn)$", re.IGNORECASE)
SECRET_TEXT = re.compile(
    r"(?i)(bearer\s+)\S+|(://[^/\s:@]*:)[^@\s]+(?=@)|((?:api[_-]?key|password|secret)[\"']?\s*[=:]\s*[\"']?)[^\s\"',}]+"
)


def configure(service: str, *, level: str = "INFO", stream: Any = None) -> None:
    """Send structlog and the standard library's loggers to `stream` (stderr) as JSON lines."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _named(service),
        redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
            foreign_pre_chain=shared,
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for noisy in ("httpx", "httpcore", "pymilvus", "nebula3", "aiohttp.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger whose events carry `logger=name`."""
    # Not bound here: a logger made at import must obey a later `configure`.
    return structlog.get_logger(name)


def redact(_logger: Any, _method: str, event: JsonObject) -> JsonObject:
    """Replace values of secret-looking fields, and secrets inside any text, by `***`."""
    return {key: "***" if SECRET_FIELD.search(key) else _clean(value) for key, value in event.items()}


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return SECRET_TEXT.sub(lambda found: f"{found[1] or found[2] or found[3]}***", value)
    if isinstance(value, dict):
        return redact(None, "", value)
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value


def _named(service: str) -> Any:
    def add(_logger: Any, _method: str, event: JsonObject) -> JsonObject:
        event.setdefault("service", service)
        return event

    return add
