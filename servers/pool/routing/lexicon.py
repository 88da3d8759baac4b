"""The router's lexicon: word lists (`lexicon.toml`) as look-up tables, and what of a text they match.

It knows nothing of weights: which list speaks for which domain was learnt (`train.py`).
"""

import tomllib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

FILE = Path(__file__).with_name("lexicon.toml")
MIN_PREFIX_CHARS = 3


class Lexicon:
    """Word lists as look-up tables for whole words, phrases and prefixes.

    `lists`: for each list its words, separated by blanks; `_` joins a phrase, a final `*` takes every ending.
    """

    def __init__(self, lists: Mapping[str, str]) -> None:
        self.names = tuple(lists)
        self._entries: dict[str, tuple[str, ...]] = {}
        self._prefixes: dict[str, tuple[str, ...]] = {}
        self._longest_phrase: dict[str, int] = {}
        for name, words in lists.items():
            for word in words.split():
                self._add(word, name)

    def _add(self, word: str, name: str) -> None:
        table, key = (self._prefixes, word[:-1]) if word.endswith("*") else (self._entries, word)
        key = key.replace("_", " ")
        table[key] = (*table.get(key, ()), name)
        first, *rest = key.split(" ")
        self._longest_phrase[first] = max(self._longest_phrase.get(first, 1), len(rest) + 1)

    def match(self, tokens: Sequence[str]) -> dict[str, list[str]]:
        """For each list, its entries in `tokens` (folded), every occurrence; the longest phrase wins."""
        found: dict[str, list[str]] = {name: [] for name in self.names}
        for index in range(len(tokens)):
            entry, names = self._at(tokens, index)
            for name in names:
                found[name].append(entry)
        return found

    def _at(self, tokens: Sequence[str], index: int) -> tuple[str, tuple[str, ...]]:
        """The longest entry that begins at `index`, and the lists that hold it."""
        token = tokens[index]
        for size in range(self._longest_phrase.get(token, 1), 1, -1):
            phrase = " ".join(tokens[index : index + size])
            names = self._entries.get(phrase) or self._by_prefix(phrase, len(token) + 2)
            if names:
                return phrase, names
        return token, self._entries.get(token) or self._by_prefix(token, MIN_PREFIX_CHARS)

    def _by_prefix(self, word: str, least: int) -> tuple[str, ...]:
        """The lists of the longest prefix of `word` that has at least `least` characters."""
        for size in range(len(word), least - 1, -1):
            names = self._prefixes.get(word[:size])
            if names:
                return names
        return ()


def read_lists() -> dict[str, str]:
    """The word lists by name, as `lexicon.toml` holds them."""
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def load_lexicon() -> Lexicon:
    """The whole lexicon; read once."""
    return Lexicon(read_lists())
