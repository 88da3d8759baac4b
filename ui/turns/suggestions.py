"""What may be asked first, made from what the collections hold."""

from typing import Final

from tools.clients.bridge import Bridge, StoredDocument
from tools.errors import Capibara6Error
from tools.schema import Language
from ui.access.identity import Visit
from ui.messages import EXAMPLES, say

SHOWN: Final = 4
LOOKED_AT: Final = 200
SAMPLE: Final = "knowledge/"
"""What the sources of the shipped documents begin with: the shipped questions are about them."""
TITLE_CHARS: Final = 80


async def suggestions(
    bridge: Bridge, visit: Visit, language: Language, *, collection: str
) -> list[str] | None:
    """Questions for a first-time reader; empty while there are no documents, None where nobody can say."""
    try:
        with visit.acting():
            held = await bridge.first_documents(collection=collection, limit=LOOKED_AT)
    except Capibara6Error:
        return None
    return proposed(held, language)


def proposed(held: list[StoredDocument], language: Language) -> list[str]:
    """About the newest documents of one's own, then about the shipped ones. Pure."""
    own = [one for one in held if not one["source"].startswith(SAMPLE) and one["title"].strip()]
    own.sort(key=lambda one: one.get("updated_at") or "", reverse=True)
    titles = dict.fromkeys(" ".join(one["title"].split())[:TITLE_CHARS] for one in own)
    about = [say("suggest_document", language, title=title) for title in titles]
    shipped = list(EXAMPLES[language]) if len(own) < len(held) else []
    return [*about[: SHOWN - len(shipped[:2])], *shipped][:SHOWN]
