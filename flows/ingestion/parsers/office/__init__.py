"""Office files: Word, spreadsheets, slides and OpenDocument."""
