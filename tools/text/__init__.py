"""Spanish and English as text: language, words, stop words, stems, glossary."""
