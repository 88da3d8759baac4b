"""FIND PATH and GET SUBGRAPH: plans and searches."""
