"""What may be done with a conversation and its answers: judge, branch, explain, find, export."""
