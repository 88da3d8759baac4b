"""The knowledge graph of a collection: written, extended, read around a search's seeds."""
