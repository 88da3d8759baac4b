"""The catalogue of models, the options of routing and consensus, and the download of weights."""
