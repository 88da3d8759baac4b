"""Samples to files: WAV, PCM, MP3, Opus, FLAC and AAC, written piece by piece. Knows nothing of voices."""
