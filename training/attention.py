"""Attention inside the documents of packed rows, and nothing computed between them.

A dense mask computes every pair of a row and throws most away: rows hold several documents, and
what one may see of another is nothing. Here each document is a call of PyTorch's own flash kernel
for the CPU: half the pairs of each document, no mask. `test_attention.py` compares it with the mask.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, library

FORWARD = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
BACKWARD = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


def document_spans(tokens: Tensor, separator: int) -> Tensor:
    """(row, start, end) of every document in tokens (B, T), an empty span where there are fewer.

    A separator belongs to what it ends; those that fill up a row are one document. The result has
    T // 8 spans a row, (B * (T // 8), 3); what more there are share the last one.
    """
    rows, length = tokens.shape
    most = length // 8
    spans = torch.zeros(rows, most, 3, dtype=torch.long)
    for row, is_end in enumerate((tokens == separator).cpu()):
        ends = (is_end[:-1] & ~is_end[1:]).nonzero()[:, 0] + 1
        fill = (is_end[1:] & is_end[:-1]).nonzero()[:, 0] + 1
        edges = torch.unique(torch.cat((torch.tensor([0, length]), ends, fill[:1])))
        if len(edges) > most + 1:
            edges = torch.cat((edges[:most], edges[-1:]))
        count = len(edges) - 1
        spans[row, :, 0] = row
        spans[row, :count, 1], spans[row, :count, 2] = edges[:-1], edges[1:]
    return spans.view(-1, 3)


def _parts(spans: Tensor) -> list[tuple[slice, slice, slice, slice]]:
    return [
        (slice(row, row + 1), slice(None), slice(start, end), slice(None))
        for row, start, end in spans.tolist()
        if end > start
    ]


@library.custom_op("gptwrite::document_attention", mutates_args=())
def document_attention(
    query: Tensor, key: Tensor, value: Tensor, spans: Tensor
) -> tuple[Tensor, Tensor]:
    """The mixed values (B, H, T, D) and the log-sums (B, H, T) that the backward pass needs."""
    mixed = torch.empty_like(query)
    log_sum = query.new_empty(query.shape[:3], dtype=torch.float32)
    for part in _parts(spans):
        mixed[part], log_sum[part[:3]] = FORWARD(query[part], key[part], value[part], 0.0, True)
    return mixed, log_sum


@document_attention.register_fake
def _(query: Tensor, key: Tensor, value: Tensor, spans: Tensor) -> tuple[Tensor, Tensor]:
    return torch.empty_like(query), query.new_empty(query.shape[:3], dtype=torch.float32)


@library.custom_op("gptwrite::document_attention_backward", mutates_args=())
def document_attention_backward(
    gradient: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mixed: Tensor,
    log_sum: Tensor,
    spans: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients by query, key and value, each (B, H, T, D)."""
    found = tuple(torch.empty_like(x) for x in (query, key, value))
    for part in _parts(spans):
        by_part = BACKWARD(
            gradient[part], query[part], key[part], value[part], mixed[part],
            log_sum[part[:3]], 0.0, True,
        )  # fmt: skip
        for whole, piece in zip(found, by_part, strict=True):
            whole[part] = piece
    return found


@document_attention_backward.register_fake
def _(
    gradient: Tensor, query: Tensor, key: Tensor, value: Tensor, *rest: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)


def _keep(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
    query, key, value, spans = inputs
    ctx.save_for_backward(query, key, value, *output, spans)


def _differentiate(
    ctx: Any, gradient: Tensor, _: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, None]:
    query, key, value, mixed, log_sum, spans = ctx.saved_tensors
    found = document_attention_backward(gradient, query, key, value, mixed, log_sum, spans)
    return *found, None


document_attention.register_autograd(_differentiate, setup_context=_keep)
