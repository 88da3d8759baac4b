"""Kokoro-82M (Apache-2.0), a neural voice: its files, its process, the phonemes it is given. Optional."""
