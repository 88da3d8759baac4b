"""Writes a GGUF model as a folder of safetensors in bfloat16, with tokenizer, chat template and stop tokens.

Run with the vLLM environment's Python: `python gguf_to_safetensors.py FILE FOLDER`. The weights' order and
names are transformers' business; an architecture that it does not know ends the program with its word.
"""

import sys
from pathlib import Path

import torch  # type: ignore[import-not-found] # the vLLM environment has it
from transformers import (  # type: ignore[import-not-found] # so is this
    AutoModelForCausalLM,
    AutoTokenizer,
    GgufConfig,
)


def main(file: Path, folder: Path) -> None:
    """Convert one file."""
    where, name = str(file.parent), file.name
    tokenizer = AutoTokenizer.from_pretrained(where, gguf_file=name)
    model = AutoModelForCausalLM.from_pretrained(
        where, gguf_file=name, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
    )
    vars(model.config).pop("quantization_config", None)
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
