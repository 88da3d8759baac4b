"""Where graphs live: one SQLite file a space, a catalogue of spaces, schemas, coded properties."""
