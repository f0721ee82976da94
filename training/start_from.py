"""A GGUF of ours back to a checkpoint and its tokenizer, so that its training can go on.

The inverse of `export.py`: what the shipped file has learnt is kept when there is new text to learn
from. Weights come back as exact as the file holds them (Q8_0: within 1/254 of a block's largest);
the optimisers begin anew.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from sentencepiece import sentencepiece_model_pb2 as schema

from training import tokenizer as tokenizers
from training.export import BLOCK_NAMES
from training.model import GPT, Config

PIECE_KINDS = {
    gguf.TokenType.NORMAL: schema.ModelProto.SentencePiece.NORMAL,
    gguf.TokenType.UNKNOWN: schema.ModelProto.SentencePiece.UNKNOWN,
    gguf.TokenType.CONTROL: schema.ModelProto.SentencePiece.CONTROL,
    gguf.TokenType.BYTE: schema.ModelProto.SentencePiece.BYTE,
    gguf.TokenType.UNUSED: schema.ModelProto.SentencePiece.UNUSED,
}
OUR_NAMES = {theirs: ours for ours, theirs in BLOCK_NAMES.items()}


def parameter_name(theirs: str) -> str:
    """Our name of one of llama.cpp's tensors."""
    parts = theirs.split(".")
    if parts[0] == "blk":
        return f"blocks.{parts[1]}.{OUR_NAMES[parts[2]]}.weight"
    return {"token_embd": "embedding.weight", "output_norm": "final_norm.weight"}[parts[0]]


def read_config(reader: gguf.GGUFReader) -> Config:
    """The sizes in a header that `export.py` wrote."""

    def field(name: str) -> Any:
        found = reader.get_field(f"qwen3.{name}")
        if found is None:
            raise ValueError(f"the header has no qwen3.{name}: not a file of ours")
        return found.contents()

    return Config(
        layers=field("block_count"),
        width=field("embedding_length"),
        heads=field("attention.head_count"),
        kv_heads=field("attention.head_count_kv"),
        hidden=field("feed_forward_length"),
        vocabulary=field("vocab_size"),
        head_width=field("attention.key_length"),
        context=field("context_length"),
        rope_base=field("rope.freq_base"),
        norm_epsilon=field("attention.layer_norm_rms_epsilon"),
    )


def read_network(reader: gguf.GGUFReader) -> GPT:
    """The network of a GGUF, in float32."""
    network = GPT(read_config(reader))
    weights = {
        parameter_name(tensor.name): torch.from_numpy(
            np.array(gguf.quants.dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)
        )
        for tensor in reader.tensors
    }
    network.load_state_dict(weights)
    return network


def read_tokenizer(reader: gguf.GGUFReader) -> bytes:
    """The vocabulary of a GGUF as a SentencePiece model."""
    pieces, scores, kinds = (
        reader.get_field(f"tokenizer.ggml.{name}").contents()
        for name in ("tokens", "scores", "token_type")
    )
    model = schema.ModelProto()
    for piece, score, kind in zip(pieces, scores, kinds, strict=True):
        model.pieces.add(piece=piece, score=score, type=PIECE_KINDS[gguf.TokenType(kind)])
    spec = model.trainer_spec
    spec.model_type = schema.TrainerSpec.BPE
    spec.vocab_size, spec.byte_fallback = len(pieces), True
    spec.unk_id, spec.bos_id = tokenizers.UNKNOWN, tokenizers.SEPARATOR
    spec.eos_id, spec.pad_id = tokenizers.END, -1
    spec.unk_piece, spec.bos_piece, spec.eos_piece = tokenizers.CONTROL_PIECES[:3]
    model.normalizer_spec.name = "identity"
    model.normalizer_spec.add_dummy_prefix = False
    model.normalizer_spec.remove_extra_whitespaces = False
    return bytes(model.SerializeToString())


def main() -> None:
    parser = argparse.ArgumentParser(description="Turn a GGUF of ours into a checkpoint.")
    parser.add_argument("gguf", type=Path)
    parser.add_argument("--out", type=Path, default=Path("training/build/pretrained.pt"))
    parser.add_argument("--tokenizer", type=Path, default=Path("training/build/tokenizer.model"))
    options = parser.parse_args()
    reader = gguf.GGUFReader(options.gguf)
    network = read_network(reader)
    for path in (options.out, options.tokenizer):
        path.parent.mkdir(parents=True, exist_ok=True)
    options.tokenizer.write_bytes(read_tokenizer(reader))
    torch.save({"config": asdict(network.config), "weights": network.state_dict()}, options.out)
    print(f"{options.out}, {options.tokenizer}: {network.config}", file=sys.stderr)


if __name__ == "__main__":
    main()
