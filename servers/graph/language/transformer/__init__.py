"""The grammar's rules turned into trees, a file a part of the language."""
