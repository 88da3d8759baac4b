"""What the small peers hold: documents, models and tables."""

from tools.clients.bridge import Table

DOCUMENTS = [
    {
        "id": "modelos",
        "title": "Modelos",
        "source": "knowledge/es/modelos.md",
        "text": "El servidor puede tener cargados tres modelos a la vez. "
        "Un modelo se descarga tras 300 segundos.",
    },
    {
        "id": "models",
        "title": "Models",
        "source": "knowledge/en/models.md",
        "text": "The server may keep three models loaded at the same time. "
        "A model is unloaded after 300 seconds.",
    },
    {
        "id": "puertos",
        "title": "Puertos",
        "source": "knowledge/es/puertos.md",
        "text": "La API escucha en el puerto 5000. La pool escucha en el puerto 8082.",
    },
]
MODELS = ["extractive", "phi4_fast"]
TABLES: list[Table] = [
    {
        "name": "documents",
        "kind": "table",
        "columns": [
            {"name": "id", "type": "text"},
            {"name": "title", "type": "text"},
            {"name": "language", "type": "text"},
            {"name": "size", "type": "integer"},
            {"name": "updated_at", "type": "timestamp with time zone"},
        ],
    },
    {"name": "leads", "kind": "table", "columns": [{"name": "email", "type": "text"}]},
]
