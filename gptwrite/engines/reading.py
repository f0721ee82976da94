"""How a prompt is cut into batches, so that what is computed does not depend on what was kept.

The library computes a token alone by other sums than one among several; with flash attention, one
of fewer than 64 by other sums than one of more. Among batches on the same side of such a bound the
results are equal to the last bit, whatever the sizes. So every batch of a prompt keeps to one side,
whether all of it is read or only what follows a kept beginning: the same seed then gives the same
text either way. Measured with llama.cpp as pinned, F32, Q8_0 and Q4_0, on one and two threads.
"""

from __future__ import annotations

from collections.abc import Iterator

LEAST_TOKENS = 2  # in a batch
LEAST_FLASH_TOKENS = 64  # GGML_FA_TILE_Q of ggml-cpu


def least_tokens(has_flash_attention: bool) -> int:
    """Return how many tokens a batch must have to be computed like any larger one."""
    return LEAST_FLASH_TOKENS if has_flash_attention else LEAST_TOKENS


def batch_sizes(done: int, end: int, most: int, least: int, is_tail_apart: bool) -> Iterator[int]:
    """Yield the sizes of the batches that read the tokens from `done` to `end`.

    None has fewer than `least` tokens, but where there are no more. `is_tail_apart` gives the last
    `least` tokens a batch of their own: a device may compute each size in its own way, and so the
    same prompt at least ends in the same batch, whether its beginning was kept or not.
    """
    tail = end - least if is_tail_apart and end - least > done else end
    while done < end:
        stop = tail if done < tail else end
        size = min(most, stop - done)
        left = stop - done - size
        if 0 < left < least:
            size -= least - left
        yield size
        done += size
