"""`capibara6-data`, the agent that answers from tables and graph; it shows the query it runs."""
