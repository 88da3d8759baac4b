"""Sentences that were spoken lately: what is asked again is not made again. Bounded by bytes.

All voices here are everybody's, and the key holds the whole text: it gives nobody what he did not ask for.
"""

from collections import OrderedDict
from typing import NamedTuple

from servers.speech.sound import Sound

MAX_BYTES = 32 * 2**20
"""Eleven minutes of speech."""


class Key(NamedTuple):
    """What decides the samples."""

    voice: str
    speed: float
    text: str


class SentenceCache:
    """The least recently used one leaves first."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self.sounds: OrderedDict[Key, Sound] = OrderedDict()

    def get(self, key: Key) -> Sound | None:
        """The sound, if it is held."""
        sound = self.sounds.get(key)
        if sound is not None:
            self.sounds.move_to_end(key)
        return sound

    def put(self, key: Key, sound: Sound) -> None:
        """Hold it, and let go of the oldest ones over the bound; one that is over it alone is not held."""
        if key in self.sounds or len(sound.pcm) > self.max_bytes:
            return
        self.sounds[key] = sound
        self.bytes += len(sound.pcm)
        while self.bytes > self.max_bytes:
            _, gone = self.sounds.popitem(last=False)
            self.bytes -= len(gone.pcm)
