"""The embedded graph server (:9669): NebulaGraph's protocol and nGQL over SQLite, without a cluster."""
