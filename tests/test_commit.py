"""From changes to a message: with a scripted engine, an echo, and small random models."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gptwrite import commit
from gptwrite import subject as subjects
from gptwrite.commit import Wishes
from gptwrite.diff import Change
from gptwrite.engines.base import Alternative, Request, Stats, Token
from gptwrite.engines.echo import EchoEngine
from gptwrite.engines.llama import LlamaEngine
from gptwrite.errors import EngineError, GptwriteError
from gptwrite.git import Commit
from gptwrite.template import Library

PATCH = "diff --git a/{0} b/{0}\n--- a/{0}\n+++ b/{0}\n@@ -1 +1 @@\n-old {0}\n+new {0}"


def text_change(path: str, patch: str = "", lines: int = 1) -> Change:
    return Change(path, "M", "text", path, lines, 1, patch=patch or PATCH.format(path))


class ScriptedEngine:
    """Answers each request by a function of it; words are tokens. Refuses what does not fit."""

    name = "scripted"

    def __init__(self, answer: Callable[[Request], Any], context_length: int = 4096) -> None:
        self.answer = answer
        self.context_length = context_length
        self.stats = Stats()
        self.requests: list[Request] = []
        self.is_closed = False

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def count_prompt(self, request: Request) -> int:
        return sum(self.count_tokens(m.content) for m in request.messages)

    def render(self, request: Request) -> str:
        return request.messages[-1].content

    def stream(self, request: Request) -> Iterator[Token]:
        assert self.count_prompt(request) + request.sampling.max_tokens <= self.context_length
        self.requests.append(request)
        answer = self.answer(request)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Token):
            yield answer
            return
        for stop in request.sampling.stop:
            answer = answer.split(stop)[0]
        yield Token(text=answer)
        yield Token(finish="stop")

    def generate(
        self, requests: Iterable[Request], parallel: int = 1
    ) -> Iterator[tuple[int, Token | GptwriteError]]:
        for index, request in enumerate(requests):
            try:
                for token in self.stream(request):
                    yield index, token
            except GptwriteError as error:
                yield index, error

    def cancel(self) -> None:
        pass

    def close(self) -> None:
        self.is_closed = True


def write(changes: list[Change], engine: Any, **wishes: Any) -> str:
    template = Library().load(commit.TASK)
    return commit.message(changes, Wishes(**wishes), template, lambda: engine)


def typed(kind: str, subject: str) -> Callable[[Request], str]:
    return lambda request: kind if request.form else subject


def test_the_type_is_chosen_among_labels_and_the_scope_follows_the_path() -> None:
    engine = ScriptedEngine(typed("fix", " handle empty input"))
    assert write([text_change("src/parser.py")], engine) == "fix(parser): handle empty input"
    form = engine.requests[0].form
    assert form and form.accepts("fe") and form.is_complete("feat") and not form.accepts("bug")
    assert engine.requests[1].answer == "fix(parser):"
    assert engine.is_closed


def test_the_prompt_is_the_task_with_the_diff() -> None:
    engine = ScriptedEngine(typed("fix", " handle it well"))
    write([text_change("app.py")], engine)
    prompt = engine.requests[0].messages[-1].content
    expected = "Write a commit message for the changes below.\n\n" + PATCH.format("app.py")
    assert prompt == expected


def test_the_type_that_the_paths_decide_is_not_asked_for() -> None:
    engine = ScriptedEngine(typed("fix", " describe the format"))
    assert write([text_change("README.md")], engine) == "docs(readme): describe the format"
    assert len(engine.requests) == 1


def test_the_types_of_the_log_go_over_those_of_the_paths() -> None:
    log = tuple(Commit(f"fix: mend formula {n}", ("notes.md",)) for n in range(9))
    engine = ScriptedEngine(typed("docs", " mend the formula"))
    assert write([text_change("README.md")], engine, log=log) == "fix(readme): mend the formula"
    assert len(engine.requests) == 1


def test_the_evidence_decides_where_the_model_is_unsure() -> None:
    def answer(request: Request) -> Any:
        if not request.form:
            return " handle empty input"
        rows = (Alternative("feat", -0.7), Alternative("fix", -0.8))
        assert request.alternatives
        return Token(text="feat", alternatives=rows)

    assert write([text_change("app.py")], ScriptedEngine(answer)) == "fix(app): handle empty input"


ANSWERS = [
    (" handle it well.\nmore", "fix(app): handle it well"),
    ("fix(app): handle it well", "fix(app): handle it well"),
    ('"Handle it well"', "fix(app): handle it well"),
    (" <think>hm</think> handle it well", "fix(app): handle it well"),
    ("Subject: handle it well", "fix(app): handle it well"),
    ("", "chore: update app.py"),
    (" undefined", "chore: update app.py"),
    (" Write a commit message for the changes below.", "chore: update app.py"),
    (" <|im_start|>user", "chore: update app.py"),
    (" \ufffd\ufffd\ufffd\ufffd", "chore: update app.py"),
    (" x" * 200, "chore: update app.py"),
    (" " + "word and other things " * 30, None),
]


@pytest.mark.parametrize(("answer", "expected"), ANSWERS)
def test_whatever_is_answered_the_message_is_well_formed(answer: str, expected: str | None) -> None:
    message = write([text_change("app.py")], ScriptedEngine(typed("fix", answer)))
    assert subjects.is_well_formed(message)
    if expected:
        assert message == expected


def test_fences_are_stripped() -> None:
    answer = "```text\nfix: handle it well\n```"
    assert commit.clean(answer) == "fix: handle it well"
    assert commit.clean("<think>\nnever closed") == ""
    assert commit.clean("lost beginning</think>\nadd x") == "add x"


def test_an_engine_that_knows_no_forms_and_no_begun_answers_is_asked_plainly() -> None:
    def answer(request: Request) -> Any:
        refused = request.form or request.answer
        return EngineError("not here") if refused else "Feat(cli): add an option"

    message = write([text_change("src/a.py"), text_change("lib/b.py")], ScriptedEngine(answer))
    assert message == "feat(cli): add an option"


def test_an_engine_that_fails_raises_its_error() -> None:
    with pytest.raises(EngineError):
        write([text_change("app.py")], ScriptedEngine(lambda _: EngineError("broken")))


def test_a_model_that_only_thought_is_given_more_room() -> None:
    def answer(request: Request) -> Any:
        if request.form:
            return "fix"
        if request.sampling.max_tokens == commit.THOUGHT_TOKENS:
            return "<think>now</think>fix: handle it well"
        return Token(text="hm", is_thinking=True, finish="length")

    message = write([text_change("app.py")], ScriptedEngine(answer))
    assert message == "fix(app): handle it well"


def test_lock_files_and_binaries_alone_need_no_model() -> None:
    def never() -> Any:
        raise AssertionError("the model was opened")

    template = Library().load(commit.TASK)
    for change, expected in [
        (Change("uv.lock", "M", "lock", "uv.lock"), "build(deps): update uv.lock"),
        (Change("a.png", "A", "binary", "a.png"), "chore: add a.png"),
    ]:
        assert commit.message([change], Wishes(), template, never) == expected


def test_files_that_are_not_worth_reading_are_only_named() -> None:
    engine = ScriptedEngine(typed("feat", " add a button"))
    lock = Change("package-lock.json", "M", "lock", "package-lock.json", 100, 90)
    picture = Change("logo.png", "A", "binary", "logo.png")
    write([text_change("src/a.ts"), lock, picture], engine)
    prompt = engine.requests[0].messages[-1].content
    assert (
        "diff --git a/package-lock.json b/package-lock.json\n(lock file changed, +100 -90" in prompt
    )
    assert "(binary file added)" in prompt


def test_a_large_diff_becomes_notes_on_each_file_and_then_one_message() -> None:
    def answer(request: Request) -> str:
        text = request.messages[-1].content
        if request.form:
            return "refactor"
        if "big.py: tidy the loops" in text:
            return " tidy the engine"
        return "fix: tidy the loops" if "b/src/big.py" in text else "chore: change a word"

    big = PATCH.format("src/big.py") + "\n+ many words here" * 400
    lock = Change("uv.lock", "M", "lock", "uv.lock", 5, 5)
    engine = ScriptedEngine(answer, context_length=512)
    changes = [text_change("src/big.py", big, 400), text_change("src/small.py"), lock]
    assert write(changes, engine) == "refactor(src): tidy the engine"
    final = engine.requests[-1].messages[-1].content
    assert final.endswith(
        "src/big.py: tidy the loops\nsrc/small.py: change a word\n"
        "uv.lock: lock file changed, +5 -5 lines"
    )
    assert len(engine.requests) == 4


def test_a_very_large_commit_still_fits() -> None:
    changes = [
        text_change(f"src/{i}.py", PATCH.format(f"src/{i}.py") + "\n+word word word" * 50, i)
        for i in range(300)
    ]
    engine = ScriptedEngine(typed("chore", " change many things"), context_length=512)
    assert write(changes, engine) == "chore(src): change many things"
    assert len(engine.requests) == commit.MOST_NOTES + 2


def test_a_note_that_fails_leaves_the_file_named() -> None:
    def answer(request: Request) -> Any:
        if request.form:
            return "fix"
        is_note = "many words" in request.messages[-1].content
        return EngineError("broken") if is_note else " handle it well"

    big = PATCH.format("big.py") + "\n+ many words" * 400
    engine = ScriptedEngine(answer, context_length=256)
    assert write([text_change("big.py", big, 400)], engine) == "fix(big): handle it well"
    assert engine.requests[-1].messages[-1].content.endswith("big.py: file changed, +400 -1 lines")


STYLES = [("plain", "Handle it well"), ("gitmoji", "🐛 handle it well")]


@pytest.mark.parametrize(("style", "expected"), STYLES)
def test_other_styles(style: str, expected: str) -> None:
    engine = ScriptedEngine(typed("fix", "fix: handle it well"))
    assert write([text_change("app.py")], engine, style=style) == expected


def test_a_body_is_optional_and_wrapped() -> None:
    def answer(request: Request) -> str:
        if request.form:
            return "fix"
        if request.answer.endswith("\n\n"):
            return "It failed on empty input. " * 6 + "\n\n- one\n- two"
        return " handle it well"

    message = write([text_change("app.py")], ScriptedEngine(answer), has_body=True)
    line, blank, *body = message.split("\n")
    assert (line, blank) == ("fix(app): handle it well", "")
    assert body[-2:] == ["- one", "- two"]
    assert max(map(len, body)) <= 72
    assert "\n" not in write([text_change("app.py")], ScriptedEngine(answer))


def test_a_body_that_repeats_itself_or_the_prompt_is_cut() -> None:
    line = "fix: x y"
    assert commit.clean_body("fix: x y\nmore", line, "") == ""
    assert commit.clean_body("A good reason.\nA good reason.\nmore", line, "") == "A good reason."
    assert commit.clean_body("A good reason.\n<|im_end|>", line, "") == "A good reason."
    assert commit.clean_body("Write a message.", line, "Write a message.") == ""


def test_chinese_is_asked_for_in_chinese() -> None:
    engine = ScriptedEngine(typed("fix", " 修复空输入"))
    message = write([text_change("src/parser.py")], engine, language="zh")
    assert message == "fix(parser): 修复空输入"
    assert "中文提交说明" in engine.requests[0].messages[-1].content


LANGUAGES = [
    ("zh", ["fix: a b"], "zh"),
    ("en", ["fix: 修复"], "en"),
    ("auto", ["fix: 修复错误", "feat(x): 新增功能", "docs: update"], "zh"),
    ("auto", ["fix: mend it", "更新"] + ["add more"] * 3, "en"),
    ("auto", [], "en"),
]


@pytest.mark.parametrize(("wanted", "log", "expected"), LANGUAGES)
def test_the_language_follows_the_setting_or_the_log(
    wanted: str, log: list[str], expected: str
) -> None:
    assert commit.language_of(wanted, log) == expected


def test_the_echo_engine_repeats_the_prompt_and_so_gives_the_fallback() -> None:
    assert write([text_change("README.md")], EchoEngine()) == "docs: update README.md"


@pytest.mark.parametrize("style", ["conventional", "plain", "gitmoji"])
@pytest.mark.parametrize("seed", range(4))
def test_a_random_model_gives_well_formed_messages(
    models: Callable[..., Path], style: str, seed: int
) -> None:
    engine = LlamaEngine(models())
    sampling = {"seed": seed, "temperature": 1.5}
    big = PATCH.format("c.py") + "\n+x = [1, 2, 3]" * 2000
    for changes in ([text_change("app.py")], [text_change("b.md"), text_change("c.py", big, 2000)]):
        writer = commit.Writer(
            Library().load(commit.TASK), Wishes(style=style, sampling=sampling), engine
        )
        assert subjects.is_well_formed(writer.message(changes), style)
    engine.close()


@pytest.mark.parametrize("is_note", [False, True])
def test_a_cancelled_request_ends_the_whole_message(is_note: bool) -> None:
    patch = PATCH.format("app.py") + "\n+ many words" * (400 if is_note else 1)
    engine = ScriptedEngine(lambda _: Token(finish="cancelled"), context_length=256)
    with pytest.raises(KeyboardInterrupt):
        write([text_change("app.py", patch)], engine)
    assert len(engine.requests) == 1 and engine.is_closed


def test_wishes_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Wishes().style = "plain"  # type: ignore[misc]


def test_words_that_the_diff_has_not_are_drawn_again_and_then_left_out(
    models: Callable[..., Path],
) -> None:
    """A random model says nothing of the diff: the subject names the file, its type is kept."""
    engine = LlamaEngine(models())
    changes = [text_change("app.py")]
    message = commit.Writer(
        Library().load(commit.TASK), Wishes(keeps_to_diff=True, has_body=True), engine
    ).message(changes)
    engine.close()
    assert message.partition(": ")[2] == "update app.py"
