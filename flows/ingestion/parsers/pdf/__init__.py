"""PDF: characters become lines, lines become blocks, pages become a document."""
