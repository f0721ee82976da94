"""Templates: what a file may say, what it becomes, and the one-line error for what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from conftest import Ran

from gptwrite.cli.app import NAMES
from gptwrite.errors import TemplateError, UsageError
from gptwrite.template import Library, render, template_folders

OWN = Library([template_folders()[0]])
COMPLETION = ("install_completion", "show_completion")  # of the program, not of a task
BASE = "name: base\nhelp: h\nprompt: P {{ topic }}\nsampling: {temperature: 0.1}\n"


def library(tmp_path: Path, **files: str) -> Library:
    folder = tmp_path / "templates"
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(content, encoding="utf-8")
    return Library([folder])


SHIPPED = (
    "article summary poetry code story news outline title email continue polish spell translate "
    "review explain-code"
)


def test_every_task_that_is_promised_is_shipped() -> None:
    assert set(SHIPPED.split()) <= set(OWN.names())


@pytest.mark.parametrize("name", OWN.names())
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_shipped_template_renders(name: str, language: str) -> None:
    template = OWN.load(name)
    assert name not in NAMES
    assert isinstance(template.help, dict) and set(template.help) == {"en", "zh"}
    for text in ("", "MATERIAL"):
        rendered = render(template, language, "TOPIC", text)  # type: ignore[arg-type]
        whole = rendered.messages[-1].content + rendered.completion
        assert "TOPIC" in whole or template.input == "text"
        assert "MATERIAL" in whole or not text
        assert "{{" not in whole and "{%" not in whole
        assert rendered.completion or not text
    for variable in template.variables:
        for choice in variable.choices or [variable.default]:
            render(template, language, "T", "M", {variable.name: choice})  # type: ignore[arg-type]


WRONG = [
    ("name: t\nhelp: h\nprompt: x\ncolour: red\n", 4, "unknown key 'colour'"),
    ("name: t\nhelp: h\n", 1, "'prompt' is missing"),
    ("name: t\nprompt: x\n", 1, "'help' is missing"),
    ("name: other\nhelp: h\nprompt: x\n", 1, "differs from the file's name"),
    ("help: h\nprompt: [a\n", 3, "invalid YAML"),
    ("- a\n- b\n", 1, "not a mapping"),
    ("help: h\nprompt: x\nvariables:\n  n: {type: int, default: x}\n", 4, "not of type int"),
    ("help: h\nprompt: x\nvariables:\n  n: {help: y}\n", 4, "has no default"),
    ("help: h\nprompt: x\nvariables:\n  n: {default: a, choices: [b, c]}\n", 4, "not among"),
    ("help: h\nprompt: x\nvariables:\n  topic: {default: a}\n", 4, "cannot be the name"),
    (
        "help: h\nprompt: x\nvariables:\n  n:\n    default: a\n    kind: b\n",
        6,
        "unknown key 'kind'",
    ),
    ("help: h\nprompt: x\ninput: words\n", 3, "input must be one of"),
    ("help: h\nprompt: x\nlong_input: cut\n", 3, "long_input must be one of"),
    ("help: h\nprompt: x\nsampling: {heat: 1}\n", 3, "unknown sampling key 'heat'"),
    ("help: h\nprompt: {fr: x}\n", 2, "a text for each of en and zh"),
    ("extends: nobody\nhelp: h\nprompt: x\n", 1, "unknown template 'nobody'"),
    ("help: h\nprompt: x\nshow_answer: perhaps\n", 3, "true or false"),
    ("help: h\nprompt: x\nvariables: [a]\n", 3, "variables must be a mapping"),
    ("help: h\nprompt: x\nsampling: 3\n", 3, "sampling must be a mapping"),
    ("help: h\nprompt: x\nsampling: {temperature: hot}\n", 3, "temperature cannot be 'hot'"),
    ("help: h\nprompt: x\nsampling: {temperature: 9}\n", 3, "temperature cannot be 9"),
    ("help: h\nprompt: x\nsampling: {max_tokens: 1.5}\n", 3, "max_tokens cannot be 1.5"),
    ("help: h\nprompt: x\nsampling: {stop: x}\n", 3, "stop cannot be 'x'"),
    ("extends: [a]\nhelp: h\nprompt: x\n", 1, "unknown template"),
    ("help: h\nprompt: x\nvariables:\n  1: a\n", 4, "cannot be the name"),
    ("help: h\nprompt: x\nvariables:\n  n: {default: a, type: [b]}\n", 4, "type must be"),
    ("help: h\nprompt: x\nvariables:\n  n: {default: a, choices: 3}\n", 4, "must be a list"),
    ("help: h\nprompt: x\nvariables:\n  from: {default: a}\n", 4, "cannot be the name"),
    ("help: h\nprompt: x\nvariables:\n  json: {default: a}\n", 4, "an option of every task"),
]


@pytest.mark.parametrize(("content", "line", "said"), WRONG)
def test_a_wrong_file_gives_one_line_with_file_and_line(
    tmp_path: Path, content: str, line: int, said: str
) -> None:
    with pytest.raises(TemplateError) as caught:
        library(tmp_path, t=content).load("t")
    assert f"t.yaml:{line}: " in caught.value.message
    assert said in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(("content", "line", "_said"), WRONG)
def test_a_wrong_file_is_told_in_chinese_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, line: int, _said: str
) -> None:
    monkeypatch.setenv("GPTWRITE_UI_LANGUAGE", "zh")
    with pytest.raises(TemplateError) as caught:
        library(tmp_path, t=content).load("t")
    _place, problem = caught.value.message.split(f"t.yaml:{line}: ")
    assert any("\u4e00" <= c <= "\u9fff" for c in problem), problem
    assert "请修改模板" in caught.value.hint


@pytest.mark.parametrize(
    ("prompt", "line", "said"),
    [
        ("{{ topic }} {{ nobody }}", 3, "'nobody' is undefined"),
        ("|-\n  first\n  {{ nobody }}", 5, "'nobody' is undefined"),
        ("|-\n  first\n  {% if %}x", 5, "Expected an expression"),
        ("|-\n  first\n  {% for i in range(999999999) %}x{% endfor %}", 5, "Range too big"),
        ("|-\n  first\n  {{ 1 / 0 }}", 5, "division by zero"),
        ("|-\n  first\n  {{ topic + 1 }}", 5, "can only concatenate"),
    ],
)
def test_a_fault_in_a_prompt_is_found_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prompt: str, line: int, said: str
) -> None:
    prompt = prompt if prompt.startswith("|") else f"'{prompt}'"
    template = library(tmp_path, t=f"name: t\nhelp: h\nprompt: {prompt}\n").load("t")
    with pytest.raises(TemplateError, match=f"t.yaml:{line}: .*{said}"):
        render(template, "en", "topic")
    monkeypatch.setenv("GPTWRITE_UI_LANGUAGE", "zh")
    with pytest.raises(TemplateError, match=f"t.yaml:{line}: (没有“nobody”|模板有误)"):
        render(template, "en", "topic")


def test_a_variable_that_does_not_exist_is_an_error_when_rendered(tmp_path: Path) -> None:
    template = library(tmp_path, t="help: h\nprompt: 'x {{ unknown }}'\n").load("t")
    with pytest.raises(TemplateError, match=r"t\.yaml.*unknown"):
        render(template, "en", "topic")


def test_bytes_that_are_not_utf8_are_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "t.yaml").write_bytes(b"help: \xff\xfe\n")
    with pytest.raises(TemplateError, match="not UTF-8"):
        Library([folder]).load("t")


def test_a_template_extends_another_and_overrides_a_part(tmp_path: Path) -> None:
    child = "extends: base\nname: child\nsampling: {top_k: 3}\nvariables: {n: 5}\n"
    template = library(tmp_path, base=BASE, child=child).load("child")
    assert template.sampling == {"temperature": 0.1, "top_k": 3}
    assert [v.name for v in template.variables] == ["n"]
    assert render(template, "en", "x").messages[-1].content == "P x"


def test_templates_that_extend_in_a_circle_are_an_error(tmp_path: Path) -> None:
    files = {"a": "extends: b\nhelp: h\nprompt: x\n", "b": "extends: a\nhelp: h\nprompt: x\n"}
    with pytest.raises(TemplateError, match="extends itself"):
        library(tmp_path, **files).load("a")


def test_a_users_file_takes_the_place_of_ours_and_may_extend_it(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "article.yaml").write_text("extends: article\nprompt: Mine {{ topic }}\n")
    template = Library([template_folders()[0], mine]).load("article")
    assert render(template, "zh", "秋").messages[-1].content == "Mine 秋"
    assert {v.name for v in template.variables} == {"length", "tone", "audience"}


def options_of_a_task() -> list[str]:
    """Return every name of an option that the command of a task without variables has."""
    from typer.main import get_command

    from gptwrite.cli.tasks import add_task

    app = typer.Typer()
    add_task(app, OWN.load("ask"))
    rows = get_command(app).params
    flags = {flag for row in rows for flag in (*row.opts, *row.secondary_opts)}
    long = {flag[2:].replace("-", "_") for flag in flags if flag.startswith("--")}
    return sorted({*long, *(str(row.name) for row in rows), "help", "debug"} - set(COMPLETION))


@pytest.mark.parametrize("name", options_of_a_task())
def test_no_variable_has_the_name_of_an_option(tmp_path: Path, name: str) -> None:
    content = f"help: h\nprompt: x\nvariables:\n  {name}: a\n"
    with pytest.raises(TemplateError, match=r"t\.yaml:4: .* cannot be the name of a variable"):
        library(tmp_path, t=content).load("t")


def test_a_variable_with_an_options_name_is_told_by_check_and_by_the_command(
    gptwrite: Callable[..., Ran], tmp_path: Path
) -> None:
    folder = tmp_path / "config" / "prompts"
    folder.mkdir(parents=True)
    (folder / "t.yaml").write_text("help: h\nprompt: x\nvariables:\n  file: {default: a}\n")
    checked = gptwrite(["prompts", "check", "t"])
    assert checked.status == 1 and "t.yaml:4: 'file' cannot be" in checked.out
    ran = gptwrite(["t", "x", "-m", "echo"])
    assert ran.status == 1 and "t.yaml:4: 'file' cannot be" in ran.err


@pytest.mark.parametrize("attack", ["{{ 7*7 }}", "{% for x in y %}", "$topic", "{{ lang }}", "{#"])
def test_values_are_never_expanded(attack: str) -> None:
    rendered = render(OWN.load("article"), "zh", attack, attack, {"audience": attack})
    assert rendered.messages[-1].content.count(attack) == 3


def test_a_template_cannot_reach_python(tmp_path: Path) -> None:
    evil = "help: h\nprompt: \"{{ ''.__class__.__mro__ }}\"\n"
    with pytest.raises(TemplateError):
        render(library(tmp_path, t=evil).load("t"), "en", "x")


def test_an_unknown_variable_names_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        render(OWN.load("article"), "en", "x", values={"size": 3})
    assert "length, tone, audience" in caught.value.hint


def test_a_new_file_is_a_command_at_once(gptwrite: Callable[..., Ran]) -> None:
    made = gptwrite(["prompts", "new", "letter"])
    assert made.status == 0 and Path(made.out.strip()).exists() and made.err == ""
    assert gptwrite(["prompts", "check", "letter"]).out == "ok    letter\n"
    ran = gptwrite(["letter", "to Anna", "--tone", "warm", "-m", "echo", "-q"])
    assert ran.out == "Write in a warm tone: to Anna\n"
    assert "letter" in gptwrite(["--help"]).out
    assert "--tone" in gptwrite(["letter", "--help"]).out
    assert gptwrite(["prompts", "new", "letter"]).status == 2


@pytest.mark.parametrize("name", ["article", "_writer"])
def test_a_new_file_with_a_built_in_name_changes_nothing_yet_and_says_what_it_does(
    gptwrite: Callable[..., Ran], name: str
) -> None:
    before = gptwrite(["article", "秋", "--tone", "lively", "--show-prompt"]).out
    made = gptwrite(["prompts", "new", name])
    assert made.status == 0
    assert made.err.startswith(f"It stands in the place of the built-in {name} from now on")
    file = Path(made.out.strip())
    assert f"\nextends: {name}\nname: {name}\n" in file.read_text(encoding="utf-8")
    assert gptwrite(["article", "秋", "--tone", "lively", "--show-prompt"]).out == before
    assert gptwrite(["prompts", "check", name]).status == 0
    if name == "article":
        text = file.read_text(encoding="utf-8").replace("# prompt: |-\n# ", "prompt: |-\n ")
        file.write_text(text, encoding="utf-8")
        assert "Write of this: 秋" in gptwrite(["article", "秋", "--show-prompt"]).out
    file.unlink()
    assert gptwrite(["article", "秋", "--tone", "lively", "--show-prompt"]).out == before


def test_one_broken_file_does_not_take_the_others_along(
    gptwrite: Callable[..., Ran], tmp_path: Path
) -> None:
    folder = tmp_path / "config" / "prompts"
    folder.mkdir(parents=True)
    (folder / "bad.yaml").write_text("help: h\nprompt: x\ncolour: 1\n")
    ran = gptwrite(["--help"])
    assert ran.status == 0 and "article" in ran.out and "bad.yaml:3" in ran.err
    assert gptwrite(["ask", "x", "-m", "echo"]).err == ""
    checked = gptwrite(["prompts", "check"])
    assert checked.status == 1 and "bad.yaml:3: unknown key 'colour'" in checked.out


def test_a_file_named_like_a_command_is_refused_by_check(
    gptwrite: Callable[..., Ran], tmp_path: Path
) -> None:
    folder = tmp_path / "config" / "prompts"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("help: h\nprompt: x\n")
    checked = gptwrite(["prompts", "check", "config"])
    assert checked.status == 1 and "is the name of a command" in checked.out
    assert gptwrite(["config", "path"]).status == 0


def test_templates_are_listed_shown_and_found(gptwrite: Callable[..., Ran]) -> None:
    assert "poetry" in gptwrite(["prompts", "list"]).out
    path = Path(gptwrite(["prompts", "path", "article"]).out.strip())
    assert gptwrite(["prompts", "show", "article"]).out == path.read_text(encoding="utf-8")
    assert gptwrite(["prompts", "show", "artcle"]).status == 2


def test_run_takes_any_template_with_its_options(gptwrite: Callable[..., Ran]) -> None:
    ran = gptwrite(["run", "article", "秋", "--tone", "lively", "--show-prompt"])
    assert "语气生动" in ran.out
