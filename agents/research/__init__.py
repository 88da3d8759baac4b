"""`capibara6-research`, the agent that plans, asks several questions at once and reports with its sources."""
