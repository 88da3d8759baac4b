"""`capibara6`, the agent that answers from the collection's documents."""
