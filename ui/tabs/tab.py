"""What a page beside the chat is, and the little HTML that they share. It asks nobody."""

from collections.abc import Sequence
from html import escape
from typing import Final, Protocol

from tools.access.identity import Scope
from tools.schema import Language
from ui.access.identity import Visit
from ui.clients import Clients
from ui.tabs.words import say
from ui.turns.wish import Wish

REFRESH: Final = "refresh"
"""The act of a page that is looked at again: it changes nothing."""


class Tab(Protocol):
    """A page: `name` is its key and that of its title, `scope` what its visitors must be allowed to do."""

    name: str
    scope: Scope
    live: bool
    """Whether it is drawn again every few seconds while somebody looks at it."""

    async def act(self, clients: Clients, visit: Visit, wish: Wish, language: Language) -> str:
        """Do what was asked; what to say of it, empty for nothing. Raises `tools.errors`."""
        ...

    async def draw(self, clients: Clients, visit: Visit, wish: Wish, language: Language) -> str:
        """The page as it is now, as HTML. Raises `tools.errors`."""
        ...


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, label: str) -> str:
    """A table of HTML cells."""
    top = "".join(f'<th scope="col">{escape(head)}</th>' if head else "<td></td>" for head in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<div class="table" tabindex="0" role="region" aria-label="{escape(label)}"><table>'
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def button(act: str, language: Language, *, named: str, sure: bool = False, **data: str) -> str:
    """A button whose `data` come with the wish; with `sure` it asks once more before it acts."""
    fields = "".join(f' data-{name}="{escape(value)}"' for name, value in data.items())
    again = f' data-sure="{escape(say("sure", language))}"' if sure else ""
    label = escape(say(act, language))
    return (
        f'<button type="button" class="small" data-act="{escape(act)}"{fields}{again} '
        f'aria-label="{label}: {escape(named)}">{label}</button>'
    )


def state(kind: str, text: str) -> str:
    """A word of state with its colour: `good`, `busy`, `bad` or `off`."""
    return f'<span class="state {kind}">{escape(text)}</span>'


def empty(text: str) -> str:
    """What is said where there is nothing."""
    return f'<p class="empty">{escape(text)}</p>'
