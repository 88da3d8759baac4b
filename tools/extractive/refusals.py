"""What is said where documents hold no answer, by the model without weights and by the agents alike."""

from tools.schema import Language

ABSENT: dict[Language, str] = {
    "es": "Los pasajes encontrados no contienen la respuesta a esta pregunta.",
    "en": "The passages found do not hold the answer to this question.",
}
NOTHING: dict[Language, str] = {
    "es": "No he encontrado nada sobre esto en el conocimiento disponible.",
    "en": "I found nothing about this in the available knowledge.",
}
