"""The options of a menu as HTML. Pure."""

from collections.abc import Sequence
from html import escape


def options(choices: Sequence[tuple[str, object]], chosen: object) -> str:
    """The options of a menu, `(label, value)` each."""
    here = {True: " selected", False: ""}
    return "".join(
        f'<option value="{escape(str(value))}"{here[value == chosen]}>{escape(label)}</option>'
        for label, value in choices
    )
