"""Sanitizer of a model's text while it streams: no foreign links, no images, no marks of no passage.

A model that was talked into it by a poisoned passage can otherwise carry data out in an address that the
reader's browser fetches. Only addresses that the sources or the user wrote, letter by letter, stay.

Documents are quoted to the character: their markup is text, which whoever renders it makes harmless. Markup
that neither they nor the user wrote is none any more.
"""

import re
from collections.abc import Collection, Iterable

URL = re.compile(
    r"\b[a-z][a-z0-9+.-]{1,20}://[^\s<>\"'`)\]}]+|(?<![\w:/])//[\w-]+(?:\.[\w-]+)+[^\s<>\"'`)\]}]*"
    r"|\b(?:javascript|data|vbscript|file):\S*",
    re.I,
)
_LOCAL = re.compile(r"https?://(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?(?:[/?#].*)?", re.I)
_TAG = re.compile(r"<[a-z/!?][\w:-]*", re.I)
_IMAGE = re.compile(r"(?<![\w`])!\[")
_TARGET = re.compile(r"\]\(\s*([^)\s]*)")
_MARK = re.compile(r"\[(\d{1,3})\](?!\()")
_SPLIT = re.compile(r"(\s+)")
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\U000e0000-\U000e007f]")
REMOVED = "⟨…⟩"
"""Stands where a link was taken out."""


class Sanitizer:
    """Takes pieces of an answer and gives back text that is safe to show, a word behind.

    `marks` are the numbers of real passages; `links` the addresses that may be shown, letter by letter;
    `tags` the markup that the sources or the user wrote (`tags_in`).
    """

    def __init__(self, marks: Collection[int], links: Collection[str], tags: Collection[str] = ()) -> None:
        self.marks = frozenset(marks)
        self.links = frozenset(links)
        self.tags = frozenset(tags)
        self.fenced = self.quoting = False
        self.pending = ""

    def feed(self, piece: str) -> str:
        """What of the text so far is complete; the last word stays back until it ends."""
        *ready, self.pending = _SPLIT.split(self.pending + piece)
        return "".join(self._word(word) for word in ready)

    def end(self) -> str:
        """The last word, once no more pieces come."""
        last, self.pending = self._word(self.pending), ""
        return last

    def _word(self, word: str) -> str:
        if not word or word.isspace():
            return word
        if word.startswith(("```", "~~~")):
            self.fenced = not self.fenced
        quoted, self.quoting = self.quoting, self.quoting ^ (word.count("`") % 2 == 1)
        word = _INVISIBLE.sub("", word)
        word = _TARGET.sub(self._target, word)
        word = URL.sub(lambda found: found[0] if self._known(found[0]) else REMOVED, word)
        if self.fenced or quoted or (word.startswith("`") and word.rstrip(".,;:)").endswith("`")):
            return word
        word = _MARK.sub(lambda mark: mark[0] if int(mark[1]) in self.marks else "", word)
        return _TAG.sub(self._tag, _IMAGE.sub("[", word))

    def _tag(self, found: re.Match[str]) -> str:
        return found[0] if found[0].lower() in self.tags else f"< {found[0][1:]}"

    def _target(self, found: re.Match[str]) -> str:
        target = found[1]
        return found[0] if not target or self._known(target) else f"]({REMOVED}"

    def _known(self, link: str) -> bool:
        bare = link.rstrip(".,;:!?*_")
        return bool(_LOCAL.fullmatch(bare)) or bare in self.links


def tags_in(texts: Iterable[str]) -> set[str]:
    """The beginnings of what looks like markup in `texts` (`<reset`)."""
    return {tag.lower() for text in texts for tag in _TAG.findall(text)}


def links_in(texts: Iterable[str]) -> set[str]:
    """Web addresses written in `texts`, as they stand; scripts and data are no addresses."""
    found = (link.rstrip(".,;:!?*_") for text in texts if "://" in text for link in URL.findall(text))
    return {link for link in found if link.lower().startswith(("http://", "https://"))}
