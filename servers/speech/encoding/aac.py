"""AAC through FFmpeg (the package `av`): a program of its own, and the only code that loads it.

Run as `python -I aac.py RATE`: 16-bit mono samples come by standard input, an ADTS stream goes by standard
output, and the end of the input ends it. The wheel of `av` carries x264 and x265 (GPL), which this never
uses: it imports nothing of this project, so that nothing here is linked with them.
"""

import os
import sys

import av
import numpy as np

BIT_RATE = 64_000
CHUNK = 1 << 16


class Output:
    """Standard output as a file that can not seek."""

    def write(self, data: bytes) -> int:
        """All of `data`, at once."""
        left = memoryview(data)
        while left:
            left = left[os.write(1, left) :]
        return len(data)


def main(rate: int) -> None:
    """Encode until the input ends."""
    with av.open(Output(), "w", format="adts") as container:
        stream = container.add_stream("aac", rate=rate, layout="mono")
        stream.bit_rate = BIT_RATE
        done, held = 0, b""
        while part := os.read(0, CHUNK):
            held += part
            whole = len(held) // 2 * 2
            samples = np.frombuffer(held[:whole], dtype="<i2").reshape(1, -1)
            held = held[whole:]
            if not samples.size:
                continue
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate, frame.pts = rate, done
            done += samples.shape[1]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    main(int(sys.argv[1]))
