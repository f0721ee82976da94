"""The chain of samplers that draws the next token, and text forms held by rejection."""

from __future__ import annotations

import ctypes
import secrets
from collections.abc import Sequence
from typing import Any

from gptwrite.engines.base import Alternative, Form, Sampling, Token
from gptwrite.engines.slot import Slot
from gptwrite.engines.vocabulary import Vocabulary
from gptwrite.errors import EngineError
from gptwrite.language import say

DRY_BASE, DRY_ALLOWED_LENGTH = 1.75, 2
DRY_BREAKERS = (b"\n", b":", b'"', b"*", "。".encode(), "，".encode())
FORM_TRIES = 8192  # most tokens refused at one place: all of ours, the best of larger vocabularies
LARGEST_SEED = 2**32 - 2  # the library takes 2**32 - 1 to mean "random"


def draw_seed(sampling: Sampling) -> int:
    """Return the request's seed, or a random one."""
    if sampling.seed is None:
        return secrets.randbelow(LARGEST_SEED + 1)
    return sampling.seed % (LARGEST_SEED + 1)


def build_chain(
    api: Any, vocab: Any, n_vocab: int, context_length: int, sampling: Sampling, seed: int
) -> Any:
    """Return a new sampler chain; the caller frees it with `llama_sampler_free`.

    Penalties only lower a token's logit, and only of tokens among the last `repeat_last_n`: so the
    best `top_k` after them are among the best `top_k + repeat_last_n` before. Cutting down to those
    first gives the same result without walking the whole vocabulary at each token.
    """
    chain = api.llama_sampler_chain_init(api.llama_sampler_chain_default_params())

    def add(sampler: Any) -> None:
        if not sampler:
            api.llama_sampler_free(chain)
            raise EngineError(
                say("The library refused a sampler.", "库拒绝了一个采样器。"),
                say("Check the sampling settings.", "请检查采样设置。"),
            )
        api.llama_sampler_chain_add(chain, sampler)

    is_greedy = sampling.temperature <= 0
    top_k = 1 if is_greedy else sampling.top_k
    has_penalties = sampling.repeat_penalty != 1.0 and sampling.repeat_last_n > 0
    has_dry = sampling.dry_multiplier > 0
    if has_penalties or has_dry:
        reach = context_length if has_dry else sampling.repeat_last_n
        if top_k > 0 and top_k + reach < n_vocab:
            add(api.llama_sampler_init_top_k(top_k + reach))
    if has_penalties:
        add(
            api.llama_sampler_init_penalties(
                n_vocab, sampling.repeat_last_n, sampling.repeat_penalty, 0.0, 0.0
            )
        )
    if has_dry:
        breakers = (ctypes.c_char_p * len(DRY_BREAKERS))(*DRY_BREAKERS)
        add(
            api.llama_sampler_init_dry(
                vocab,
                sampling.dry_multiplier,
                DRY_BASE,
                DRY_ALLOWED_LENGTH,
                context_length,
                breakers,
                len(DRY_BREAKERS),
            )
        )
    if is_greedy:
        add(api.llama_sampler_init_greedy())
        return chain
    if top_k > 0:
        add(api.llama_sampler_init_top_k(top_k))
    if sampling.top_p < 1.0:
        add(api.llama_sampler_init_top_p(sampling.top_p, 1))
    if sampling.min_p > 0.0:
        add(api.llama_sampler_init_min_p(sampling.min_p, 1))
    add(api.llama_sampler_init_temp(sampling.temperature))
    add(api.llama_sampler_init_dist(seed))
    return chain


def accept_prompt(api: Any, chain: Any, tokens: Sequence[int]) -> None:
    """Show the chain the prompt, so that penalties count what stands there too."""
    for token in tokens:
        api.llama_sampler_accept(chain, token)


def draw(
    api: Any, context: Any, output: int, vocabulary: Vocabulary, slot: Slot
) -> tuple[int, Token]:
    """Return the id drawn from the logits of `output`, and the token without its text."""
    if slot.request.form:
        token = draw_in_form(
            api, context, output, slot.chain, vocabulary, slot.request.form, slot.text
        )
    else:
        token = api.llama_sampler_sample(slot.chain, context, output)
    count = slot.request.alternatives
    logprob, rows = likeliest(api, context, output, vocabulary, token, count)
    return token, Token(id=token, logprob=logprob, alternatives=rows)


def draw_in_form(
    api: Any, context: Any, output: int, chain: Any, vocabulary: Vocabulary, form: Form, text: str
) -> int:
    """Draw tokens until one keeps `text` in its form; each refused one is ruled out at this place.

    Only whole characters are taken, so that no form is left by way of half of one.
    """
    logits = api.llama_get_logits_ith(context, output)
    complete = form.is_complete(text)
    for _ in range(min(FORM_TRIES, vocabulary.size)):
        token: int = api.llama_sampler_sample(chain, context, output)
        if vocabulary.is_end(token):
            if complete:
                return token
        elif piece := vocabulary.piece(token):
            added = piece.decode("utf-8", "ignore")
            if len(added.encode("utf-8")) == len(piece) and form.accepts(text + added):
                return token
        logits[token] = -float("inf")
    raise EngineError(
        say(
            "The model finds no continuation that keeps to the form.",
            "模型找不到符合格式的续写。",
        ),
        say(
            "Try another seed, or a model that knows this language better.",
            "请换个种子，或换用更懂这种语言的模型。",
        ),
    )


def likeliest(
    api: Any, context: Any, output: int, vocabulary: Vocabulary, token: int, count: int
) -> tuple[float | None, tuple[Alternative, ...]]:
    """Return the log-probability of `token`, in nats, and the `count` likeliest tokens.

    From the logits as the model gave them, before any sampler: log softmax over (n_vocab,).
    """
    if not count:
        return None, ()
    import numpy as np

    pointer = api.llama_get_logits_ith(context, output)
    logits = np.ctypeslib.as_array(pointer, shape=(vocabulary.size,)).astype(np.float64)
    top = float(logits.max())
    norm = top + float(np.log(np.exp(logits - top).sum()))
    best = np.argpartition(logits, -count)[-count:]
    best = best[np.argsort(-logits[best])]
    rows = tuple(
        Alternative(vocabulary.piece(int(i)).decode("utf-8", "replace"), float(logits[i]) - norm)
        for i in best
    )
    return float(logits[token]) - norm, rows
