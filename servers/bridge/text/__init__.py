"""Text of documents: chunking, entities, title names, words that cross languages."""
