"""What people asked of real documents and were refused, or were told something else."""

import pytest

from servers.pool.extractive.answer import answer, extract
from tools.passages import Passage, render

pytestmark = pytest.mark.pure

CIVIL = "Constitución › Título I › Artículo 18"
LAW = [
    Passage(
        1,
        "Constitución",
        "El domicilio es inviolable. Ninguna entrada o registro podrá hacerse en él sin consentimiento del "
        "titular o resolución judicial.",
        CIVIL,
    ),
    Passage(
        2,
        "Constitución",
        "Los españoles tienen derecho a elegir libremente su residencia y a circular por el territorio "
        "nacional. El domicilio social es otro.",
        "Constitución › Título I › Artículo 19",
    ),
]
MANUAL = [
    Passage(
        1,
        "Models and routing",
        "The `extractive` model answers without weights. When the context does not hold the answer, it says "
        "so plainly. It is the model that answers in a fresh installation, before you add real models.",
        "The extractive model",
    ),
    Passage(
        2,
        "Models and routing",
        "The shortest way to a generative model is a running Ollama. With a GPU, create the vLLM environment "
        "with `make vllm`.",
        "How to get a real model",
    ),
    Passage(
        3,
        "Models and routing",
        "Models are loaded by the first request. You get an error when no real model is there.",
        "Lazy loading",
    ),
]
PORTS = [
    Passage(
        1,
        "Servicios",
        "Los servicios tienen puertos y todos vienen de los ajustes. Milvus escucha en el puerto 19530. "
        "Redis escucha en el puerto 6379. PostgreSQL escucha en el puerto 5432.",
    )
]


def ask(question: str, passages: list[Passage], *, before: str = "") -> str:
    earlier = [{"role": "user", "content": before}] if before else []
    return answer([*earlier, {"role": "user", "content": f"{render(passages)}\n\nPregunta: {question}"}])


def test_number_that_stands_in_the_heading_alone_is_found() -> None:
    said = ask("¿Qué dice el artículo 18 sobre el domicilio?", LAW)
    assert "El domicilio es inviolable. [1]" in said
    assert "residencia" not in said


def test_sentence_that_begins_with_a_pronoun_says_what_it_speaks_of() -> None:
    said = ask("Which model answers in a fresh installation?", MANUAL)
    assert "The extractive model: It is the model that answers in a fresh installation" in said


def test_heading_that_says_what_is_asked_leads_to_its_section() -> None:
    said = ask("How do I get a real model?", MANUAL)
    assert said.startswith("The shortest way to a generative model is a running Ollama. [2]")


def test_question_of_two_parts_gets_both_and_nothing_else() -> None:
    said = ask("¿En qué puerto escucha Milvus y en cuál PostgreSQL?", PORTS)
    assert said == "Milvus escucha en el puerto 19530. [1] PostgreSQL escucha en el puerto 5432. [1]"


def test_part_that_no_passage_answers_is_left_out() -> None:
    said = ask("¿En qué puerto escucha Milvus y en cuál Kafka?", PORTS)
    assert said == "Milvus escucha en el puerto 19530. [1]"


def test_second_part_may_be_a_question_of_its_own() -> None:
    passages = [Passage(1, "Ana", "Ana Lee was born in Bilbao. She wrote the first release in 2021.")]
    said = ask("Where was Ana Lee born and when did she write the first release?", passages)
    assert "Bilbao" in said
    assert "2021" in said


@pytest.mark.parametrize(
    ("question", "held"),
    [
        ("¿Qué pasó el 4 de mayo de 2021?", "Se publicó"),
        ("What happened on 2021-05-04?", "Se publicó"),
        ("¿Qué cuesta 1500 euros?", "licencia"),
    ],
)
def test_dates_and_amounts_are_found_however_they_are_written(question: str, held: str) -> None:
    passages = [
        Passage(
            1,
            "Historia",
            "Todo empezó en una cocina. Se publicó la primera versión el 04/05/2021. La oficina abrió el "
            "3 de junio de 2020. La licencia cuesta 1.500 euros. El curso cuesta 900 euros.",
        )
    ]
    assert held in extract(question, passages, "es").partition("[1]")[0]


def test_code_comes_whole() -> None:
    code = '```\ncurl http://127.0.0.1:5000/v1/chat/completions \\\n  -d \'{"model": "capibara6"}\'\n```'
    passages = [Passage(1, "API", f"To ask the agent API with curl:\n\n{code}")]
    assert code in ask("How do I ask the agent API with curl?", passages)


@pytest.mark.parametrize(
    "text",
    [
        "Para empezar, escribe <reset> en la consola.",
        "Escribe &lt;reset&gt; y &quot;fin&quot; en la consola.",
    ],
)
def test_documents_are_quoted_to_the_character(text: str) -> None:
    assert text in ask("¿Qué se escribe en la consola?", [Passage(1, "Consola", text)])


ENGLISH = Passage(2, "Services", "Milvus listens on port 19530. Redis listens on port 6379.")


def test_another_language_is_answered_from_its_own_documents() -> None:
    said = ask("¿y en inglés?", [*PORTS, ENGLISH], before="¿En qué puerto escucha Milvus?")
    assert said.startswith(
        "I quote the documents and can not translate. In English they say: Milvus listens on"
    )
    assert "escucha" not in said


def test_quotes_are_not_translated_and_it_says_so() -> None:
    said = ask("¿y en inglés?", PORTS, before="¿En qué puerto escucha Milvus?")
    assert said.startswith("I quote the documents and can not translate; I found none of this in English.")
    assert "Milvus escucha en el puerto 19530. [1]" in said


STEEL = Passage(
    1,
    "Acero B22",
    "- Límite elástico / Yield strength\n- Tensile strength / Zugfestigkeit\n\nTensile strength of B22.\n\n"
    "| Assortment | Yield point | Tensile strength |\n|---|---|---|\n| Bars | 890 | 1000 |\n",
)


def test_caption_that_repeats_the_question_gives_way_to_the_cell_that_answers_it() -> None:
    said = ask("Which tensile strength has B22?", [STEEL])
    assert said.startswith("- Assortment: Bars; Yield point: 890; Tensile strength: 1000")


def test_what_is_asked_to_be_confirmed_may_repeat_the_question() -> None:
    said = ask("¿Milvus escucha en el puerto 19530?", PORTS)
    assert said.startswith("Milvus escucha en el puerto 19530. [1]")


def test_the_total_of_a_receipt_is_the_line_that_says_it() -> None:
    points = "Socia: Ana Gil\nPuntos ganados: 60\nTotal de puntos: 3247"
    receipt = [
        Passage(1, "Ferretería Sol", points),
        Passage(2, "Otra tienda", "Recibos y facturas se guardan cinco años."),
        Passage(3, "Ferretería Sol", "SUBTOTAL 50,00 €\n\nTOTAL 60,50 €"),
    ]
    assert ask("¿Cuál es el total del recibo?", receipt).startswith("TOTAL 60,50 € [3]")


def test_each_line_of_a_form_is_read_alone() -> None:
    form = Passage(1, "Alta", "Nombre: Ana Gil\nCiudad: Lugo\nTeléfono: 600 000 000")
    assert ask("¿Qué ciudad figura en el alta?", [form]) == "- Ciudad: Lugo [1]"


def test_words_written_as_one_are_read_apart() -> None:
    form = Passage(1, "Form", "This form has a signature.\n\naTextField: TX-1226 aCheckBox: Yes")
    assert "TX-1226" in ask("Which issue is filled into the text field of the form?", [form])


def test_a_title_that_is_asked_for_is_quoted() -> None:
    book = Passage(1, "A book", "Here begins a second chapter in another style.", "Chapter 2: More of it")
    assert ask("What is the second chapter titled?", [book]).startswith("Chapter 2: More of it [1]")


def test_a_day_that_stands_alone_is_found_from_what_happened_on_it() -> None:
    minutes = Passage(
        1,
        "Minutes",
        "SUPREME COURT\n\n| Knowles | v. | No. 07-1315 |\n\nTuesday, January 13, 2009\n\nThe matter came on "
        "for oral argument before the Supreme Court. It was argued by two.",
    )
    assert "January 13, 2009" in ask(
        "On what date was case No. 07-1315 argued before the Supreme Court?", [minutes]
    )


def test_a_number_of_the_question_is_no_answer_to_how_many() -> None:
    passages = [
        Passage(1, "Checks", "November 2015, all kinds of checks in November 2015."),
        Passage(2, "Checks", "| State | Permit |\n|---|---|\n| Ohio | 12 |\n| Kentucky | 264,140 |\n"),
    ]
    assert "264,140" in ask("How many permit checks did Kentucky have in November 2015?", passages)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What does the second line of the right column say?", "Right line 2 [1]"),
        ("¿Qué dice la tercera línea de la derecha?", "Right line 3 [1]"),
        ("Which UUID is in the middle of the Word document?", "314b0a30-5b04-470b-b9f7-eed2c2bec74a"),
        ("What does the utf-16 page say?", "A sample of letters [3]"),
    ],
)
def test_ordinals_identifiers_and_names_written_as_one_are_read(question: str, expected: str) -> None:
    passages = [
        Passage(1, "Columns", "Left line 1\n\nLeft line 2\n\nRight line 1\n\nRight line 2\n\nRight line 3"),
        Passage(
            2,
            "Agents",
            "Agents talk to each other in the middle of their work. Here is a UUID in the middle of it! "
            "314b0a30-5b04-470b-b9f7-eed2c2bec74a Conversations can part a task.",
        ),
        Passage(3, "letters utf16le", "A sample of letters"),
    ]
    said = extract(question, passages, "es" if question.startswith("¿") else "en")
    assert expected in said
