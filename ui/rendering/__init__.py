"""What a turn looks like: questions, answers, their evidence, Markdown and formulas as HTML. Pure."""
