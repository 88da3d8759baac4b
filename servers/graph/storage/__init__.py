"""Storage: one SQLite file a space, a catalogue of spaces, schema definitions, the codec of properties."""
