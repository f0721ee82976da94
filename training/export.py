"""A checkpoint to GGUF: float32 first, then quantized by llama.cpp's own function.

Owns the names that llama.cpp gives to tensors and the header of the file: sizes, vocabulary, chat
template, end tokens, name and licence.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import gguf
import llama_cpp
import sentencepiece
from torch import Tensor

from training import tokenizer as tokenizers
from training.model import GPT, Config
from training.train import load_network

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
BLOCK_NAMES = {
    "attention_norm": "attn_norm",
    "query": "attn_q",
    "key": "attn_k",
    "value": "attn_v",
    "query_norm": "attn_q_norm",
    "key_norm": "attn_k_norm",
    "attention_out": "attn_output",
    "hidden_norm": "ffn_norm",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
}
QUANTIZATIONS = {
    "q8_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0,
    "q6_k": llama_cpp.LLAMA_FTYPE_MOSTLY_Q6_K,
    "q5_k": llama_cpp.LLAMA_FTYPE_MOSTLY_Q5_K_M,
}


def tensor_name(ours: str) -> str:
    """llama.cpp's name of a parameter."""
    parts = ours.split(".")
    if parts[0] == "blocks":
        return f"blk.{parts[1]}.{BLOCK_NAMES[parts[2]]}.weight"
    return {"embedding": "token_embd.weight", "final_norm": "output_norm.weight"}[parts[0]]


def add_vocabulary(
    writer: gguf.GGUFWriter, tokenizer: sentencepiece.SentencePieceProcessor, size: int
) -> None:
    """The pieces with their scores and kinds, as the `llama` tokenizer model reads them."""
    pieces: list[bytes] = []
    scores: list[float] = []
    kinds: list[int] = []
    for number in range(tokenizer.get_piece_size()):
        if tokenizer.is_unknown(number):
            kind = gguf.TokenType.UNKNOWN
        elif tokenizer.is_control(number):
            kind = gguf.TokenType.CONTROL
        elif tokenizer.is_byte(number):
            kind = gguf.TokenType.BYTE
        else:
            kind = gguf.TokenType.NORMAL
        pieces.append(tokenizer.id_to_piece(number).encode("utf-8"))
        scores.append(tokenizer.get_score(number))
        kinds.append(int(kind))
    for number in range(len(pieces), size):
        pieces.append(f"<|unused{number}|>".encode())
        scores.append(-1e6)
        kinds.append(int(gguf.TokenType.UNUSED))
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(pieces)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(tokenizers.SEPARATOR)
    writer.add_eos_token_id(tokenizers.END)
    writer.add_eot_token_id(tokenizers.END)
    writer.add_pad_token_id(tokenizers.SEPARATOR)
    writer.add_unk_token_id(tokenizers.UNKNOWN)
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def add_sizes(writer: gguf.GGUFWriter, config: Config) -> None:
    """The header's numbers of the network."""
    writer.add_context_length(config.context)
    writer.add_embedding_length(config.width)
    writer.add_block_count(config.layers)
    writer.add_feed_forward_length(config.hidden)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.kv_heads)
    writer.add_key_length(config.head_width)
    writer.add_value_length(config.head_width)
    writer.add_rope_freq_base(config.rope_base)
    writer.add_layer_norm_rms_eps(config.norm_epsilon)
    writer.add_vocab_size(config.vocabulary)


def write_float32(
    network: GPT, tokenizer: sentencepiece.SentencePieceProcessor, path: Path, name: str
) -> None:
    """Writes the network and its vocabulary as an F32 GGUF."""
    writer = gguf.GGUFWriter(str(path), "qwen3")
    writer.add_name(name)
    writer.add_basename("gptwrite-starter")
    size = sum(p.numel() for p in network.parameters())
    writer.add_size_label(f"{size / 1e6:.0f}M")
    writer.add_description("A small Chinese writing model trained from scratch for gptwrite.")
    writer.add_license("other")
    writer.add_license_name("gptwrite starter weights; see the model card in the package")
    writer.add_languages(["zh", "en"])
    writer.add_file_type(int(gguf.LlamaFileType.ALL_F32))
    add_sizes(writer, network.config)
    add_vocabulary(writer, tokenizer, network.config.vocabulary)
    weights: dict[str, Tensor] = network.state_dict()
    for ours, tensor in weights.items():
        writer.add_tensor(tensor_name(ours), tensor.detach().float().cpu().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def quantize(source: Path, target: Path, kind: str) -> int:
    """Quantizes a GGUF with llama.cpp; returns the new file's size in bytes.

    Raises RuntimeError with llama.cpp's code when it refuses.
    """
    llama_cpp.llama_backend_init()
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = QUANTIZATIONS[kind]
    part = target.with_suffix(".part")
    code = llama_cpp.llama_model_quantize(str(source).encode(), str(part).encode(), parameters)
    if code != 0:
        raise RuntimeError(f"llama.cpp did not quantize {source} to {kind}: code {code}")
    part.replace(target)
    return target.stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(description="Export a checkpoint as GGUF.")
    parser.add_argument("--checkpoint", type=Path, default=Path("training/build/latest.pt"))
    parser.add_argument("--tokenizer", type=Path, default=Path("training/build/tokenizer.model"))
    parser.add_argument("--out", type=Path, default=Path("training/build/model-f32.gguf"))
    parser.add_argument("--quantized", type=Path, default=Path("training/build/model-q8_0.gguf"))
    parser.add_argument("--kind", choices=QUANTIZATIONS, default="q8_0")
    parser.add_argument("--name", default="gptwrite starter")
    options = parser.parse_args()
    network = load_network(options.checkpoint)
    write_float32(network, tokenizers.load(options.tokenizer), options.out, options.name)
    size = quantize(options.out, options.quantized, options.kind)
    print(f"{options.quantized}: {size / 2**20:.1f} MiB", file=sys.stderr)


if __name__ == "__main__":
    main()
