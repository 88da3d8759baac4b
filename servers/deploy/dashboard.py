"""The Grafana dashboard as data: one panel a question of an operator's, over metrics that exist."""

from typing import Any

WIDTH, HEIGHT = 12, 8
PANELS: tuple[tuple[str, str, str, str], ...] = (
    ("Servicios en marcha · Services up", "up", "{{job}}", "short"),
    (
        "Peticiones por segundo · Requests a second",
        "sum by (job) (rate(http_requests_total[5m]))",
        "{{job}}",
        "reqps",
    ),
    (
        "Errores del servidor · Server errors",
        'sum by (job) (rate(http_requests_total{status=~"5.."}[5m]))',
        "{{job}}",
        "reqps",
    ),
    (
        "Tiempo de respuesta, p95 · Time to answer, p95",
        "histogram_quantile(0.95, sum by (job, le) (rate(http_request_duration_seconds_bucket[5m])))",
        "{{job}}",
        "s",
    ),
    (
        "Tokens por segundo · Tokens a second",
        "sum by (model, kind) (rate(pool_tokens_total[5m]))",
        "{{model}} {{kind}}",
        "short",
    ),
    ("Modelos cargados · Models loaded", "pool_model_loaded", "{{model}}", "short"),
    ("En cola · Queued", "pool_queued", "{{model}}", "short"),
    ("En curso · In flight", "pool_in_flight", "{{model}}", "short"),
    ("Última carga · Last load", "pool_load_seconds", "{{model}}", "s"),
    (
        "Tiempo medio de un almacén · A store's mean time",
        "rate(store_seconds_sum[5m]) / rate(store_seconds_count[5m])",
        "{{store}}",
        "s",
    ),
    ("Fallos de almacenes · Store errors", "rate(store_errors_total[5m])", "{{store}}", "ops"),
    ("Cortacircuitos abierto · Breaker open", "store_breaker_open", "{{store}}", "short"),
    ("Memoria · Memory", "process_resident_memory_bytes", "{{job}}", "bytes"),
    ("CPU", "rate(process_cpu_seconds_total[5m])", "{{job}}", "percentunit"),
    ("Descriptores · Descriptors", "process_open_fds", "{{job}}", "short"),
    ("Arranques por hora · Starts an hour", "changes(process_start_time_seconds[1h])", "{{job}}", "short"),
)
"""Title, query, legend, unit."""


def dashboard() -> dict[str, Any]:
    """Grafana's JSON model (schema 39), two panels a row."""
    return {
        "uid": "capibara6",
        "title": "capibara6",
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "panels": [_panel(number, *panel) for number, panel in enumerate(PANELS)],
    }


def _panel(number: int, title: str, query: str, legend: str, unit: str) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "capibara6"}
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": title,
        "datasource": source,
        "gridPos": {"x": number % 2 * WIDTH, "y": number // 2 * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
        "targets": [{"refId": "A", "datasource": source, "expr": query, "legendFormat": legend}],
    }
