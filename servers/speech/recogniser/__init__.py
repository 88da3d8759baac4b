"""Speech to text: which model there is, its process, and the formats of a transcript."""
