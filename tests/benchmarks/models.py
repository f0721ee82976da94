"""Models to measure with: the shape of real ones, random weights, a real vocabulary.

    python tests/benchmarks/models.py FOLDER

What a token costs does not depend on what the weights are, so nothing needs to be downloaded but
the vocabularies, which travel in llama-cpp-python's source package.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
import real_vocabularies
from make_models import CHATML, write_model

# Name -> vocabulary, and the shape. 0.5b is that of Qwen2.5 0.5B in Q4_0.
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "0.5b": (
        "qwen2",
        {"architecture": "qwen2", "layers": 24, "width": 896, "heads": 14, "kv_heads": 2,
         "feed_forward": 4864, "context_length": 32768, "quantization": "Q4_0"},
    ),
    "30m": (
        "gpt-neox",
        {"architecture": "qwen3", "layers": 8, "width": 384, "heads": 6, "kv_heads": 6,
         "feed_forward": 1024, "context_length": 2048, "quantization": "Q8_0"},
    ),
    "tiny": (
        "gpt-neox",
        {"architecture": "qwen2", "layers": 2, "width": 64, "heads": 2, "kv_heads": 2,
         "feed_forward": 64, "context_length": 2048, "quantization": "Q8_0"},
    ),
}  # fmt: skip


def model(name: str, folder: Path) -> Path:
    """Return the file of the model, made now if the folder does not have it."""
    path = folder / f"random-{name}.gguf"
    if path.exists():
        return path
    source, shape = SHAPES[name]
    vocabularies = folder / "vocabularies"
    vocabularies.mkdir(parents=True, exist_ok=True)
    file = vocabularies / f"ggml-vocab-{source}.gguf"
    if not file.exists():
        file = real_vocabularies.fetch(vocabularies) / file.name
    part = path.with_suffix(".part")
    write_model(
        part, **shape, vocabulary=real_vocabularies.read(file), chat_template=CHATML, is_tied=True
    )
    os.replace(part, path)
    return path


if __name__ == "__main__":
    for each in SHAPES:
        print(model(each, Path(sys.argv[1])))
