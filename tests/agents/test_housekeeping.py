import json

import pytest

from agents.chat.housekeeping import recognise, reply

pytestmark = pytest.mark.pure

HISTORY = """
### Chat History:
<chat_history>
USER: ¿En qué puerto escucha la API?
ASSISTANT: La API escucha en el puerto 5000. [1]
USER: ¿Y la pool?
</chat_history>"""
ENGLISH = "User: How does the Milvus index work?\nAI: It is HNSW. [1]"
GUIDELINES = "\n### Guidelines:\n- Write in the chat's primary language.\n### Output:\nJSON format: "
TITLE = (
    "### Task:\nGenerate a concise, 3-5 word title with an emoji summarizing the chat history."
    + GUIDELINES
    + '{ "title": "your concise title here" }'
    + HISTORY
)
TAGS = (
    "### Task:\nGenerate 1-3 broad tags categorizing the main themes of the chat history, along with 1-3 "
    "more "
    "specific subtopic tags." + GUIDELINES + '{ "tags": ["tag1", "tag2", "tag3"] }' + HISTORY
)
FOLLOW_UPS = (
    "### Task:\nSuggest 3-5 relevant follow-up questions or prompts that the user might naturally ask next "
    "in this "
    "conversation as a **user**." + GUIDELINES + '{ "follow_ups": ["Question 1?"] }' + HISTORY
)
QUERIES = (
    "### Task:\nAnalyze the chat history to determine the necessity of generating search queries, in the "
    "given "
    "language." + GUIDELINES + '{ "queries": ["query1"] }' + HISTORY
)
COMPLETION = "### Task:\nYou are an autocompletion system. Continue the text in `<text>`.\n<text>Hola</text>"
STRUCTURED = (
    "Analyze this conversation and provide:\n1. The detected language of the conversation\n2. A concise "
    "title in the "
    "detected language (5 words or less, no punctuation or quotation)\n\n" + f"Conversation:\n{ENGLISH}"
)
PLAIN = (
    "Provide a concise, 5-word-or-less title for the conversation, using title case conventions. Only "
    "return the "
    f"title itself.\n\nConversation:\n{ENGLISH}"
)


def replied(prompt: str, **more) -> str:
    task = recognise(prompt, **more)
    assert task is not None
    return reply(task)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        (TITLE, {"title": "💬 Puerto escucha API"}),
        (TAGS, {"tags": ["API", "Puerto", "Escucha"]}),
        (QUERIES, {"queries": ["¿En qué puerto escucha la pool?"]}),
        (COMPLETION, {"text": ""}),
        (STRUCTURED, {"language": "English", "title": "Milvus index work"}),
    ],
)
def test_housekeeping_is_answered_in_the_shape_that_was_asked_for(prompt, expected) -> None:
    assert json.loads(replied(prompt)) == expected


def test_follow_ups_are_questions_about_what_was_asked_last() -> None:
    asked = json.loads(replied(FOLLOW_UPS))["follow_ups"]
    assert asked[0] == "¿Qué más dicen los documentos sobre la pool?"
    assert len(asked) == 3


def test_title_alone_where_no_json_is_wanted() -> None:
    assert replied(PLAIN) == "Milvus index work"


def test_title_asked_for_by_the_system_prompt_is_about_the_message() -> None:
    system = "Generate a concise, descriptive title for this chat session based on the user's first message."
    assert replied("Explain the graph server", instructions=system) == "Graph server"


def test_conversation_without_a_question_has_a_title_as_well() -> None:
    prompt = TITLE.partition("### Chat History")[0] + "<chat_history>\nUSER: hola\n</chat_history>"
    assert json.loads(replied(prompt)) == {"title": "💬 Conversación nueva"}


@pytest.mark.parametrize(
    "question",
    [
        "¿Cómo genero un título conciso para mi informe?",
        "Suggest three follow-up questions for the interview with the mayor",
        "What is the title of the document about ports?",
        "### Task: explain the API",
    ],
)
def test_question_of_a_person_is_no_housekeeping(question) -> None:
    assert recognise(question) is None
