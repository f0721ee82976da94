"""Writes small GGUF models with random weights: real loading, real decoding, meaningless text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content']"
    " + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
WORDS = [
    "the",
    "and",
    "ing",
    "tion",
    "The",
    "in",
    "of",
    "to",
    "is",
    "a",
    "on",
    "re",
    "er",
    "写",
    "一",
    "篇",
    "关",
    "于",
    "的",
    "文",
    "章",
    "气",
    "候",
    "变",
    "化",
    "气候变化",
    "秋",
    "夜",
    "，",
    "。",
    "“",
    "”",
    "我",
    "们",
    "你",
    "是",
]
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6


@dataclass(frozen=True)
class Vocabulary:
    """What goes into the tokenizer fields. `kind` is `gpt2` (byte-level BPE) or `llama`."""

    kind: str
    tokens: tuple[str, ...]
    types: tuple[int, ...]
    merges: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    pre: str = "qwen2"
    bos: int | None = None
    eos: int = 0
    add_bos: bool = False


def byte_level(
    specials: Sequence[str],
    user_defined: Sequence[str] = (),
    pre: str = "qwen2",
    eos: str = "<|endoftext|>",
) -> Vocabulary:
    """Return a byte-level BPE vocabulary: 256 bytes, some merged words, then the specials."""
    letter = _byte_letters()
    tokens = [letter[b] for b in range(256)]
    merges: list[str] = []
    for word in (w for text in WORDS for w in (text, " " + text)):
        letters = [letter[b] for b in word.encode("utf-8")]
        left = letters[0]
        for right in letters[1:]:
            pair = f"{left} {right}"
            left += right
            if pair not in merges:
                merges.append(pair)
            if left not in tokens:
                tokens.append(left)
    types = [NORMAL] * len(tokens) + [CONTROL] * len(specials) + [USER_DEFINED] * len(user_defined)
    tokens += [*specials, *user_defined]
    return Vocabulary(
        "gpt2", tuple(tokens), tuple(types), tuple(merges), pre=pre, eos=tokens.index(eos)
    )


def _byte_letters() -> dict[int, str]:
    """GPT-2's printable stand-ins for the 256 bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {b: chr(b) for b in plain}
    table.update({b: chr(256 + i) for i, b in enumerate(b for b in range(256) if b not in plain)})
    return table


def sentencepiece() -> Vocabulary:
    """Return a SentencePiece-like vocabulary with byte fallback."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256)), "▁"]
    types = [UNKNOWN, CONTROL, CONTROL, *[BYTE] * 256, NORMAL]
    pieces = sorted({c for word in WORDS for c in word} | set("abcdefghijklmnopqrstuvwxyz"))
    tokens += pieces
    types += [NORMAL] * len(pieces)
    scores = [0.0] * 260 + [-float(i) for i in range(1, len(pieces) + 1)]
    return Vocabulary(
        "llama", tuple(tokens), tuple(types), scores=tuple(scores), bos=1, eos=2, add_bos=True
    )


CHAT_SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def vocabulary_for(architecture: str) -> Vocabulary:
    """Return a small vocabulary in the style of the architecture's best-known models."""
    if architecture == "llama":
        return sentencepiece()
    if architecture == "gpt2":
        return byte_level(["<|endoftext|>"], pre="gpt-2")
    if architecture == "gptneox":
        return byte_level(["<|endoftext|>"], ["   ", "     "], pre="gpt-2")
    return byte_level(CHAT_SPECIALS, ["<think>", "</think>", "<tool_call>"], eos="<|im_end|>")


def write_model(
    path: Path,
    architecture: str = "qwen2",
    *,
    vocabulary: Vocabulary | None = None,
    chat_template: str | None = None,
    layers: int = 2,
    width: int = 64,
    heads: int = 4,
    kv_heads: int = 2,
    feed_forward: int = 128,
    context_length: int = 512,
    seed: int = 1,
    scale: float = 0.3,
    quantization: str = "",
    is_tied: bool = False,
    is_endless: bool = False,
    sliding_window: int = 64,
) -> Path:
    """Write a random-weight model of `architecture` to `path` and return the path.

    `quantization` is `Q8_0`, or `Q4_0` with an embedding in Q8_0: blocks of random bytes, which
    cost what real ones do. `is_tied` leaves the output matrix to the embedding. `is_endless` keeps
    control tokens from ever being the likeliest: written greedily, the text does not end by itself.
    `sliding_window` is the reach of every other layer of gemma2, in tokens.
    """
    vocabulary = vocabulary or vocabulary_for(architecture)
    if architecture in ("gpt2", "gptneox"):
        kv_heads = heads
    writer = gguf.GGUFWriter(str(path), architecture)
    writer.add_name(f"random-{architecture}")
    writer.add_context_length(context_length)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(feed_forward)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    if architecture in ("gpt2", "gptneox"):
        writer.add_layer_norm_eps(1e-5)
    else:
        writer.add_layer_norm_rms_eps(1e-6)
    if architecture == "gptneox":
        writer.add_parallel_residual(True)
    if architecture in ("gptneox", "llama"):
        writer.add_rope_dimension_count(width // heads)
    if architecture == "gemma2":
        writer.add_sliding_window(sliding_window)
        writer.add_key_length(width // heads)
        writer.add_value_length(width // heads)
    if architecture in ("qwen2", "qwen3"):
        writer.add_rope_freq_base(1e6)
    _write_vocabulary(writer, vocabulary)
    if chat_template:
        writer.add_chat_template(chat_template)
    rng = np.random.default_rng(seed)
    for name, shape in _tensors(
        architecture,
        len(vocabulary.tokens),
        layers,
        width,
        heads,
        kv_heads,
        feed_forward,
        context_length,
    ):
        if (is_tied or architecture == "gemma2") and name == "output.weight":
            continue
        if quantization and name.endswith(".weight") and "norm" not in name:
            kind = "Q8_0" if name in ("token_embd.weight", "output.weight") else quantization
            blocks = _random_blocks(rng, kind, shape, scale / (shape[-1] ** 0.5) * 3)
            writer.add_tensor(name, blocks, raw_dtype=gguf.GGMLQuantizationType[kind])
            continue
        if name.endswith("norm.weight"):
            values = np.ones(shape)
        elif name.endswith(".bias"):
            values = np.zeros(shape)
        else:
            values = rng.normal(0, scale / (shape[-1] ** 0.5) * 3, shape)
        if is_endless and name == "output.weight":
            values[[i for i, kind in enumerate(vocabulary.types) if kind == CONTROL]] = 0
        writer.add_tensor(name, values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _random_blocks(
    rng: np.random.Generator, kind: str, shape: tuple[int, ...], deviation: float
) -> np.ndarray:
    """Return rows of blocks of 32 weights: a scale in half precision, then random bytes.

    A random byte has a standard deviation of 73.9, a random half byte of 4.6.
    """
    size, spread = {"Q8_0": (32, 73.9), "Q4_0": (16, 4.6)}[kind]
    rows, blocks = shape[0], shape[1] // 32
    data = np.empty((rows, blocks, 2 + size), dtype=np.uint8)
    data[..., :2] = np.array([deviation / spread], dtype=np.float16).view(np.uint8)
    data[..., 2:] = np.frombuffer(rng.bytes(rows * blocks * size), np.uint8).reshape(
        rows, blocks, size
    )
    return data.reshape(rows, blocks * (2 + size))


def _write_vocabulary(writer: gguf.GGUFWriter, vocabulary: Vocabulary) -> None:
    writer.add_tokenizer_model(vocabulary.kind)
    if vocabulary.kind == "gpt2":
        writer.add_tokenizer_pre(vocabulary.pre)
        writer.add_token_merges(list(vocabulary.merges))
    writer.add_token_list(list(vocabulary.tokens))
    writer.add_token_types(list(vocabulary.types))
    if vocabulary.scores:
        writer.add_token_scores(list(vocabulary.scores))
    if vocabulary.bos is not None:
        writer.add_bos_token_id(vocabulary.bos)
    writer.add_eos_token_id(vocabulary.eos)
    writer.add_add_bos_token(vocabulary.add_bos)


def _tensors(
    architecture: str,
    n_vocab: int,
    layers: int,
    width: int,
    heads: int,
    kv_heads: int,
    feed_forward: int,
    context_length: int,
) -> list[tuple[str, tuple[int, ...]]]:
    head = width // heads
    rows: list[tuple[str, tuple[int, ...]]] = [("token_embd.weight", (n_vocab, width))]
    has_bias = architecture in ("gpt2", "gptneox")
    if architecture == "gpt2":
        rows.append(("position_embd.weight", (context_length, width)))

    def add(name: str, *shape: int, bias: bool = False) -> None:
        rows.append((f"{name}.weight", shape))
        if bias:
            rows.append((f"{name}.bias", shape[:1]))

    for i in range(layers):
        block = f"blk.{i}"
        add(f"{block}.attn_norm", width, bias=has_bias)
        add(f"{block}.ffn_norm", width, bias=has_bias)
        if has_bias:
            add(f"{block}.attn_qkv", 3 * width, width, bias=True)
            add(f"{block}.attn_output", width, width, bias=True)
            add(f"{block}.ffn_up", feed_forward, width, bias=True)
            add(f"{block}.ffn_down", width, feed_forward, bias=True)
            continue
        biased = architecture == "qwen2"
        add(f"{block}.attn_q", width, width, bias=biased)
        add(f"{block}.attn_k", kv_heads * head, width, bias=biased)
        add(f"{block}.attn_v", kv_heads * head, width, bias=biased)
        add(f"{block}.attn_output", width, width)
        if architecture == "qwen3":
            add(f"{block}.attn_q_norm", head)
            add(f"{block}.attn_k_norm", head)
        if architecture == "gemma2":
            add(f"{block}.post_attention_norm", width)
            add(f"{block}.post_ffw_norm", width)
        add(f"{block}.ffn_gate", feed_forward, width)
        add(f"{block}.ffn_up", feed_forward, width)
        add(f"{block}.ffn_down", width, feed_forward)
    add("output_norm", width, bias=has_bias)
    add("output", n_vocab, width)
    return rows
