"""The page's signs as SVG: no font needs to have them. Each is drawn in the colour of the text around it."""

from typing import Final
from urllib.parse import quote

_SHAPES: Final = {
    "copy": '<rect x="9" y="9" width="11" height="11" rx="2"/><path d="M5 15V6a2 2 0 0 1 2-2h8"/>',
    "up": '<path d="M7 11v9H4v-9z"/>'
    '<path d="M7 11l4-7c1.5 0 2.4 1 2 2.6L12.2 10H18a2 2 0 0 1 2 2.4l-1.2 6A2 2 0 0 1 17 20H7"/>',
    "down": '<path d="M7 13V4H4v9z"/>'
    '<path d="M7 13l4 7c1.5 0 2.4-1 2-2.6L12.2 14H18a2 2 0 0 0 2-2.4l-1.2-6A2 2 0 0 0 17 4H7"/>',
    "again": '<path d="M19 12a7 7 0 1 1-2.2-5.1M19 4v4h-4"/>',
    "branch": '<circle cx="6" cy="5" r="2"/><circle cx="6" cy="19" r="2"/><circle cx="18" cy="7" r="2"/>'
    '<path d="M6 7v10M18 9c0 5-6 4-11.5 7"/>',
    "why": '<circle cx="12" cy="12" r="8.5"/>'
    '<path d="M9.8 9.5a2.3 2.3 0 1 1 3.3 2.1c-.8.4-1.1.9-1.1 1.7M12 16.5v.1"/>',
    "attach": '<path d="M20 11.5l-8 8a5 5 0 0 1-7-7l8.5-8.5a3.4 3.4 0 0 1 4.8 4.8L9.8 17.3"/>'
    '<path d="M9.8 17.3a1.7 1.7 0 0 1-2.4-2.4l7.8-7.9"/>',
    "edit": '<path d="M5 19h3.5L19 8.5 15.5 5 5 15.5zM13.5 7l3.5 3.5"/>',
    "pin": '<path d="M9 4h6l-1 6 3 3H7l3-3zM12 13v7"/>',
    "delete": '<path d="M5 7h14M10 7V4.5h4V7M7 7l1 13h8l1-13"/>',
}
_ALIKE: Final = {"unpin": "pin", "rename": "edit"}


def icon(name: str) -> str:
    """The sign of an act; whoever shows it names it in words as well."""
    return f'<i class="icon i-{_ALIKE.get(name, name)}" aria-hidden="true"></i>'


def icons_css() -> str:
    """The signs as masks of the colour around them: a page of two hundred answers has 1,400 of them, and a
    shape each would be a quarter of its elements."""
    return "\n".join(f".i-{name} {{ --sign: url('{_address(shape)}'); }}" for name, shape in _SHAPES.items())


def _address(shape: str) -> str:
    drawn = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#000" '
        f'stroke-width="1.7" stroke-linecap="round" stroke-linejoin="round">{shape}</svg>'
    )
    return f"data:image/svg+xml,{quote(drawn)}"
