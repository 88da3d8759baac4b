"""nGQL: tokens, grammar, trees. Text in, statements out; nothing here knows of spaces or data."""
