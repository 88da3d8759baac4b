"""Fifteen questions over tables, each with the value that its row holds."""

import pytest

from servers.pool.extractive.answer import answer
from tools.passages import Passage, render

pytestmark = pytest.mark.pure

TABLES = [
    Passage(
        1,
        "Servicios",
        "Cada servicio tiene su puerto y su dueño:\n\n| servicio | puerto | dueño |\n|---|---|---|\n"
        "| API | 5000 | Ana |\n| pool | 8082 | Berto |\n| voz | 5001 | Carla |\n| puente | 8000 | Darío |\n",
    ),
    Passage(
        2,
        "Tarifas",
        "| plan | precio | usuarios |\n|---|---:|---:|\n| básico | 9 € | 3 |\n| equipo | 49 € | 25 |\n"
        "| empresa | 1.200 € | 500 |\n",
    ),
    Passage(
        3,
        "Offices",
        "| city | opened | manager | staff |\n|---|---|---|---|\n| Bilbao | 4 May 1998 | Iñaki Ruiz | 41 |\n"
        "| London | 12 June 2003 | Mary Shaw | 120 |\n| Lyon | 1 March 2011 | Paul Roux | 17 |\n",
    ),
]


def first_row(question: str) -> str:
    said = answer([{"role": "user", "content": f"{render(TABLES)}\n\nPregunta: {question}"}])
    return next((line for line in said.splitlines() if line.startswith("- ")), said)


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("¿En qué puerto escucha la API?", "puerto: 5000"),
        ("¿Cuál es el puerto de la pool?", "puerto: 8082"),
        ("¿Qué puerto usa el servicio de voz?", "puerto: 5001"),
        ("¿Quién es el dueño del puente?", "dueño: Darío"),
        ("¿Quién es el dueño del servicio pool?", "dueño: Berto"),
        ("¿Qué servicio tiene el puerto 8000?", "servicio: puente"),
        ("¿Qué precio tiene el plan básico?", "precio: 9 €"),
        ("¿Cuánto cuesta el plan empresa?", "precio: 1.200 €"),
        ("¿Cuántos usuarios admite el plan equipo?", "usuarios: 25"),
        ("¿Qué plan cuesta 49 €?", "plan: equipo"),
        ("Who is the manager in London?", "manager: Mary Shaw"),
        ("When was the Lyon office opened?", "opened: 1 March 2011"),
        ("How many staff are in Bilbao?", "staff: 41"),
        ("Which city has Paul Roux as its manager?", "city: Lyon"),
        ("Which office opened on 2003-06-12?", "city: London"),
    ],
)
def test_row_that_holds_the_answer_is_quoted_with_its_columns(question: str, value: str) -> None:
    assert value in first_row(question)
