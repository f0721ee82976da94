"""A request becomes a slot: its prompt is checked to fit, and it gets a sampler chain of its own."""

from __future__ import annotations

from dataclasses import replace

from gptwrite.engines.base import Request
from gptwrite.engines.drafting import Drafter
from gptwrite.engines.model import LoadedModel
from gptwrite.engines.sampler import accept_prompt, build_chain, draw_seed
from gptwrite.engines.slot import Slot
from gptwrite.engines.stream_text import Reasoning, StopSequences
from gptwrite.errors import ContextError

LEAST_ROOM = 16  # tokens of answer that must fit behind a prompt


def new_slot(
    model: LoadedModel, index: int, request: Request, prompt: list[int], opens_thinking: bool
) -> Slot:
    """Return a slot without a sequence; raise `ContextError` for a prompt that does not fit.

    Whoever gets it frees its chain.
    """
    room = model.context_length - len(prompt)
    if room < LEAST_ROOM:
        raise ContextError(len(prompt), model.context_length)
    sampling = request.sampling
    if request.form:
        # The chain sees the tokens that a form refuses, and would penalize them.
        sampling = replace(sampling, repeat_penalty=1.0, dry_multiplier=0.0)
    seed = draw_seed(sampling)
    chain = build_chain(
        model.api, model.vocab, model.vocabulary.size, model.context_length, sampling, seed
    )
    accept_prompt(model.api, chain, prompt[-sampling.repeat_last_n :])
    return Slot(
        index=index,
        request=request,
        seq=-1,
        prompt=prompt,
        max_tokens=min(sampling.max_tokens, room),
        chain=chain,
        seed=seed,
        reasoning=Reasoning(is_open=opens_thinking),
        stops=StopSequences(sampling.stop),
        drafter=Drafter(prompt) if model.can_go_back else None,
    )
