"""States of prompts on disk: the same logits as a fresh prefill, and only ever one's own files."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from gptwrite import promptcache
from gptwrite.engines.base import Message, Request, Sampling
from gptwrite.engines.llama import LlamaEngine
from gptwrite.promptcache import PromptCache

DOCUMENT = "气候变化 the end of the world. " * 14
Models = Callable[..., Path]


@pytest.fixture
def cache(tmp_path: Path) -> PromptCache:
    return PromptCache(tmp_path / "prompts", 10**8, least_tokens=64)


def request(text: str, **values: object) -> Request:
    sampling = Sampling(seed=3, max_tokens=12)
    return Request((Message("user", text),), completion=text, sampling=sampling, **values)  # type: ignore[arg-type]


def first_logits(path: Path, text: str, cache: PromptCache | None) -> tuple[np.ndarray, int, str]:
    """Return the logits behind the prompt, how many tokens were cached, and the text."""
    engine = LlamaEngine(path, cache=cache)
    stream = engine.stream(request(text))
    begin = next(stream).text
    pointer = engine.model.api.llama_get_logits_ith(engine.model.context, -1)
    logits = np.ctypeslib.as_array(pointer, shape=(engine.model.vocabulary.size,)).copy()
    whole = begin + "".join(token.text for token in stream)
    cached = engine.stats.cached_tokens
    engine.close()
    return logits, cached, whole


def states(cache: PromptCache) -> list[Path]:
    return sorted(cache.folder.glob("*.state"))


@pytest.mark.parametrize("architecture", ["qwen2", "qwen3", "llama", "gpt2", "gptneox"])
def test_logits_after_a_restore_equal_those_of_a_fresh_prefill(
    models: Models, cache: PromptCache, architecture: str
) -> None:
    path = models(architecture)
    fresh, none, text = first_logits(path, DOCUMENT, cache)
    restored, cached, again = first_logits(path, DOCUMENT, cache)
    assert none == 0 and cached > 200
    np.testing.assert_array_equal(restored, fresh)
    assert again == text


def test_a_restore_from_disk_is_exactly_what_the_context_itself_would_have_kept(
    models: Models, cache: PromptCache
) -> None:
    first_logits(models(), DOCUMENT, cache)
    from_disk, _, _ = first_logits(models(), DOCUMENT + "end", cache)
    engine = LlamaEngine(models())
    list(engine.stream(request(DOCUMENT)))
    next(stream := engine.stream(request(DOCUMENT + "end")))
    pointer = engine.model.api.llama_get_logits_ith(engine.model.context, -1)
    kept = np.ctypeslib.as_array(pointer, shape=(engine.model.vocabulary.size,)).copy()
    stream.close()  # type: ignore[attr-defined]
    engine.close()
    np.testing.assert_array_equal(from_disk, kept)


def test_another_question_about_the_same_document_shares_its_beginning(
    models: Models, cache: PromptCache
) -> None:
    first_logits(models(), DOCUMENT + "What is it about?", cache)
    _, cached, text = first_logits(models(), DOCUMENT + "是谁写的？", cache)
    assert cached > 200
    assert text == first_logits(models(), DOCUMENT + "是谁写的？", None)[2]


def test_the_beginning_many_prompts_share_gets_a_file_of_its_own(
    models: Models, cache: PromptCache
) -> None:
    prefix = "You write in the tone of the end of the world. " * 4
    first_logits(models(), prefix + "on " * 260, cache)
    first_logits(models(), prefix + "秋夜", cache)
    sizes = sorted(len(promptcache._tokens_of(path)) for path in states(cache))
    assert len(sizes) == 2 and 64 <= sizes[0] < sizes[1] / 2


def test_files_are_private(models: Models, cache: PromptCache) -> None:
    before = os.umask(0)
    try:
        first_logits(models(), DOCUMENT, cache)
    finally:
        os.umask(before)
    (path,) = states(cache)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(cache.folder.stat().st_mode) == 0o700
    assert list(cache.folder.iterdir()) == [path]


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flip(data: bytes) -> bytes:
    return data[:-100] + bytes([data[-100] ^ 0xFF]) + data[-99:]


@pytest.mark.parametrize(
    "damage",
    [cut, flip, lambda data: b"", lambda data: b"not a state at all", lambda data: data[:14]],
    ids=["cut", "flipped", "empty", "foreign", "header-only"],
)
def test_a_damaged_file_is_ignored(
    models: Models, cache: PromptCache, damage: Callable[[bytes], bytes]
) -> None:
    _, _, text = first_logits(models(), DOCUMENT, cache)
    (path,) = states(cache)
    path.write_bytes(damage(path.read_bytes()))
    _, cached, again = first_logits(models(), DOCUMENT, cache)
    assert (cached, again) == (0, text)
    assert first_logits(models(), DOCUMENT, cache)[1] > 200, "a whole file takes its place"


def test_a_state_with_a_true_digest_that_the_library_refuses_is_removed(
    models: Models, cache: PromptCache
) -> None:
    _, _, text = first_logits(models(), DOCUMENT, cache)
    (path,) = states(cache)
    path.write_bytes(cut(path.read_bytes()))
    digest = promptcache._digest(path)
    forged = path.with_name("-".join([*path.name.split("-")[:2], digest]) + ".state")
    path.rename(forged)
    assert first_logits(models(), DOCUMENT, cache)[1:] == (0, text)
    assert forged not in states(cache)


def test_other_weights_of_the_same_shape_find_nothing(models: Models, cache: PromptCache) -> None:
    first_logits(models(seed=1), DOCUMENT, cache)
    assert first_logits(models(seed=2), DOCUMENT, cache)[1] == 0


def test_without_a_cache_nothing_is_written(models: Models, cache: PromptCache) -> None:
    first_logits(models(), DOCUMENT, None)
    assert not cache.folder.exists()


def test_short_prompts_and_those_that_will_not_come_again_are_not_kept(
    models: Models, cache: PromptCache
) -> None:
    engine = LlamaEngine(models(), cache=cache)
    list(engine.stream(request("秋夜")))
    list(engine.stream(request(DOCUMENT, reusable=False)))
    engine.close()
    assert not cache.folder.exists()


def test_a_folder_that_cannot_be_written_changes_nothing(models: Models, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    blocked = PromptCache(tmp_path / "file" / "prompts", 10**8, least_tokens=64)
    assert first_logits(models(), DOCUMENT, blocked)[2] == first_logits(models(), DOCUMENT, None)[2]


def put(cache: PromptCache, number: int, size: int = 1000) -> Path:
    """Store a state of `size` bytes for tokens of its own, last used `number` seconds after 1970."""
    tokens = [number] * 100
    body = promptcache.HEADER.pack(promptcache.MAGIC, 3, 100) + promptcache._bytes(tokens)

    def write(path: Path) -> bool:
        path.write_bytes(body.ljust(size, b"\0"))
        return True

    before = set(states(cache))
    cache.store("key", tokens, write)
    (new,) = set(states(cache)) - before or {Path()}
    if new != Path():
        os.utime(new, (number, number))
    return new


def test_the_least_recently_used_state_goes_first(tmp_path: Path) -> None:
    cache = PromptCache(tmp_path, limit_bytes=3000)
    first, second, third = (put(cache, n) for n in (1, 2, 3))
    assert cache.find("key", [1] * 101, 0, 1000) is not None  # now the most recent one
    fourth = put(cache, 4)
    assert set(states(cache)) == {first, third, fourth}
    assert second not in states(cache)


def test_a_state_larger_than_the_limit_is_not_kept(tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    put(PromptCache(folder, limit_bytes=500), 1)
    assert list(folder.iterdir()) == []


def test_leftovers_of_killed_runs_are_removed_but_not_those_of_running_ones(
    tmp_path: Path,
) -> None:
    cache = PromptCache(tmp_path, limit_bytes=3000)
    old, young = tmp_path / ".new-old", tmp_path / ".new-young"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    put(cache, 1)
    assert not old.exists() and young.exists()


@pytest.mark.parametrize(
    ("prompt", "known", "most", "shared"),
    [
        ([7] * 100 + [8] * 50, 0, 1000, 100),
        ([7] * 60 + [8] * 50, 0, 1000, 60),
        ([7] * 60 + [8] * 50, 40, 1000, None),  # not worth a file for 20 tokens more
        ([7] * 100 + [8] * 50, 0, 99, None),  # would not fit into the context
        ([8] * 200, 0, 1000, None),
        ([7] * 20, 0, 1000, None),
    ],
)
def test_the_state_that_shares_the_longest_beginning_is_found(
    tmp_path: Path, prompt: list[int], known: int, most: int, shared: int | None
) -> None:
    cache = PromptCache(tmp_path, limit_bytes=10**6)
    put(cache, 7)
    found = cache.find("key", prompt, known, most)
    assert (found.shared if found else None) == shared
    assert cache.find("other", prompt, known, most) is None


@pytest.fixture
def engine(models: Models) -> Iterator[LlamaEngine]:
    opened = LlamaEngine(models())
    yield opened
    opened.close()


def test_a_long_prompt_fits_after_several_side_by_side(engine: LlamaEngine) -> None:
    """What finished sequences still hold must make room for the next prompt."""
    asked = [request(f"{i} " + DOCUMENT) for i in range(4)]
    assert len(list(engine.generate(asked, parallel=4))) > 8
    assert "".join(token.text for token in engine.stream(request("new " + DOCUMENT)))
