#!/bin/sh
# Builds the virtual environment for the Coqui voices: CUDA where a GPU answers, CPU otherwise.
# Usage: servers/speech/tts_env.sh [FOLDER]   (default .venv-tts)
# PIP_FIND_LINKS may name a folder with the CPU build of torch; elsewhere the user's own index settings apply.
set -eu

folder=${1:-.venv-tts}
uv=${UV:-uv}
python="$folder/bin/python"
overrides=$(mktemp)
trap 'rm -f "$overrides"' EXIT
if nvidia-smi > /dev/null 2>&1; then
  torch="torch"
else
  torch="torch==2.13.0"
  printf "triton ; sys_platform == 'never'\n" > "$overrides"
fi

[ -x "$python" ] || "$uv" venv --python "${PYTHON:-3.11}" "$folder"
# coqui-tts needs torch, torchaudio and six without declaring them; torchcodec reads and writes audio files.
"$uv" pip install --python "$python" --override "$overrides" \
  ${PIP_FIND_LINKS:+--find-links "$PIP_FIND_LINKS"} "coqui-tts[codec]>=0.28,<0.29" "$torch" torchaudio six
# The index's torchaudio is built for CUDA; beside a CPU torch its libraries must be absent, then Python serves.
"$python" - <<'END'
import importlib.util
from pathlib import Path

import torch

if torch.version.cuda is None:
    for library in Path(importlib.util.find_spec("torchaudio").origin).parent.glob("lib/*.so"):
        library.unlink()
END
"$python" -c "from TTS.tts.models.vits import Vits; from importlib.metadata import version as v; \
print('coqui-tts', v('coqui-tts'), 'with torch', v('torch'))"
