"""Which model runs where: a pure state machine over instances, queues and placement."""
