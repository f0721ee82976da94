"""Attention by documents against the same attention under a dense mask, its slow reference."""

from __future__ import annotations

import torch

from training.attention import document_spans
from training.model import GPT, PRESETS, document_mask
from training.tokenizer import SEPARATOR


def rows_of_documents() -> torch.Tensor:
    """Three rows of 96 tokens: several documents, one whole row, and one that is filled up."""
    tokens = torch.randint(4, 8192, (3, 96), generator=torch.Generator().manual_seed(1))
    tokens[0, [10, 11, 40, 95]] = SEPARATOR  # an empty document between 10 and 11
    tokens[2, 50:] = SEPARATOR
    return tokens


def test_spans_are_the_documents() -> None:
    spans = document_spans(rows_of_documents(), SEPARATOR).tolist()
    found = [tuple(span) for span in spans if span[2] > span[1]]
    assert found[:4] == [(0, 0, 11), (0, 11, 12), (0, 12, 41), (0, 41, 96)]
    assert (1, 0, 96) in found
    assert (2, 0, 51) in found and (2, 51, 96) in found
    assert len(spans) == 3 * 96 // 8


def test_a_row_of_many_documents_is_covered_whole() -> None:
    tokens = torch.full((1, 32), 5)
    tokens[0, 1::2] = SEPARATOR
    spans = [span for span in document_spans(tokens, SEPARATOR).tolist() if span[2] > span[1]]
    assert [span[1] for span in spans][1:] == [span[2] for span in spans][:-1]
    assert spans[0][1] == 0 and spans[-1][2] == 32


def test_outputs_and_gradients_equal_those_under_the_mask() -> None:
    tokens = rows_of_documents()
    torch.manual_seed(2)
    network = GPT(PRESETS["tiny"])
    for parameter in network.parameters():
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.05)
    weight = torch.randn(3, 96, 64) * (tokens != SEPARATOR)[..., None]
    results = []
    for sight in (document_spans(tokens, SEPARATOR), document_mask(tokens, SEPARATOR)):
        network.zero_grad()
        loss = (network(tokens, sight) * weight).sum()
        loss.backward()
        gradients = [parameter.grad.clone() for parameter in network.parameters()]
        results.append((loss.detach(), gradients))
    (ours, our_gradients), (wanted, wanted_gradients) = results
    torch.testing.assert_close(ours, wanted, rtol=1e-4, atol=1e-4)
    for found, expected in zip(our_gradients, wanted_gradients, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
