"""nGQL: tokens, grammar, syntax trees. Text in, statements out; nothing here knows of spaces or data."""
