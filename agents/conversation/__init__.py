"""What a thread remembers: state, history, budget, user memory, checkpoints."""
