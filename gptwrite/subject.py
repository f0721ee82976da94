"""The first line of a commit message: its type, its scope, its words, and its three styles.

Pure functions of the changes and of what a model wrote. Whatever that was, the line that leaves
here is well formed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from gptwrite.diff import Change
from gptwrite.language import Language, of_text

TYPES = ("feat", "fix", "docs", "test", "ci", "build", "refactor", "style", "chore", "perf")
EMOJI = {
    "feat": "✨", "fix": "🐛", "docs": "📝", "test": "✅", "ci": "👷", "build": "📦",
    "refactor": "♻️", "style": "🎨", "chore": "🔧", "perf": "⚡️",
}  # fmt: skip
LONGEST = 72  # characters of the whole line
CONVENTIONAL = re.compile(r"^\W{0,3}([A-Za-z]+)\s*(?:[(（]([^)）]*)[)）])?\s*!?\s*[:：]\s*(.*)$")
WELL_FORMED = re.compile(rf"^(?:{'|'.join(TYPES)})(?:\([a-z0-9][\w./-]*\))?: \S.*\S$")

DOC_PATH = re.compile(
    r"\.(md|mdx|rst|adoc|txt)$|^docs?/|(^|/)(LICENSE|NOTICE|AUTHORS|CHANGELOG)\b", re.I
)
TEST_PATH = re.compile(
    r"(^|/)(tests?|testing|spec|__tests__)/|(^|/)test_[^/]*$|_test\.\w+$|\.(spec|test)\.\w+$"
)
CI_PATH = re.compile(
    r"^(\.github|\.circleci|\.gitlab|\.buildkite)/|^(\.travis|\.gitlab-ci|azure-pipelines|appveyor"
    r"|\.appveyor|Jenkinsfile|\.drone)"
)
BUILD_PATH = re.compile(
    r"(^|/)(setup\.(py|cfg)|pyproject\.toml|package\.json|Makefile|CMakeLists\.txt|tox\.ini|noxfile\.py"
    r"|requirements[\w-]*\.txt|Dockerfile[\w.-]*|Cargo\.toml|go\.mod|build\.gradle(\.kts)?|pom\.xml"
    r"|MANIFEST\.in|\.pre-commit-config\.yaml|(webpack|vite|rollup)\.config\.\w+)$"
)  # fmt: skip
PATH_TYPES = (("ci", CI_PATH), ("test", TEST_PATH), ("build", BUILD_PATH), ("docs", DOC_PATH))
FIXED_KINDS = ("lock", "binary", "generated", "submodule", "mode", "rename", "secret")


@dataclass(frozen=True)
class Subject:
    """A line in its parts. `scope` may be empty."""

    type: str
    scope: str
    text: str


def type_of_paths(changes: Sequence[Change]) -> str:
    """Return the type that the paths alone decide; empty where they leave it open."""
    return kind_of([change.path for change in _worth_reading(changes)])


def kind_of(paths: Sequence[str]) -> str:
    """Return the type of a commit that changes such files only; empty where they leave it open."""
    for kind, pattern in PATH_TYPES:
        if paths and all(pattern.search(path) for path in paths):
            return kind
    return ""


def _worth_reading(changes: Sequence[Change]) -> list[Change]:
    return [c for c in changes if c.kind not in ("lock", "generated")] or list(changes)


def likely_type(changes: Sequence[Change]) -> str:
    """Return a type without reading the change: by its paths, or by what was done to its files."""
    if kind := type_of_paths(changes):
        return kind
    code = [c for c in changes if c.kind == "text" and not TEST_PATH.search(c.path)]
    if any(change.status == "A" for change in code):
        return "feat"
    if code and all(change.status in "RD" for change in code):
        return "refactor"
    return "chore"


def scope_of(changes: Sequence[Change]) -> str:
    """Return the file's name where one file changed, else the folder that the files share."""
    paths = [PurePosixPath(change.path) for change in _worth_reading(changes)]
    if len(paths) == 1:
        name = paths[0].name.lstrip(".").split(".")[0]
        if name in ("__init__", "index", "main", "mod") and len(paths[0].parts) > 1:
            name = paths[0].parent.name
    else:
        folders = {path.parent for path in paths}
        name = folders.pop().name if len(folders) == 1 else ""
    name = re.sub(r"^(test_|_+)", "", name.lower()).strip("._-")
    return name if re.fullmatch(r"[a-z][a-z0-9_-]{1,19}", name) else ""


def fixed(changes: Sequence[Change], language: Language) -> Subject | None:
    """Return the subject of a commit in which there is nothing for a model to read; else None."""
    kinds = {change.kind for change in changes}
    if not kinds or not kinds <= set(FIXED_KINDS):
        return None
    zh = language == "zh"
    if kinds == {"lock"}:
        if len(changes) == 1:
            return Subject("build", "deps", action(changes, language))
        return Subject("build", "deps", "更新锁文件" if zh else "update lock files")
    if kinds == {"submodule"}:
        return _submodules(changes, zh)
    if kinds == {"mode"} and len(changes) == 1:
        return Subject("chore", "", _mode(changes[0], zh))
    kind = {"rename": "refactor", "generated": "build"}.get(changes[0].kind, "chore")
    if len(kinds) > 1:
        kind = "chore"
    return Subject(
        type_of_paths(changes) or kind, _folder_scope(changes), action(changes, language)
    )


def _submodules(changes: Sequence[Change], zh: bool) -> Subject:
    if len(changes) > 1:
        text = f"更新 {len(changes)} 个子模块" if zh else f"update {len(changes)} submodules"
        return Subject("build", "deps", text)
    change = changes[0]
    if change.status == "M":
        text = f"更新子模块 {change.name} 到 {change.new_id}" if zh else (
            f"update submodule {change.name} to {change.new_id}"
        )  # fmt: skip
    else:
        text = f"{_verb(change.status, zh)}子模块 {change.name}" if zh else (
            f"{_verb(change.status, zh)} submodule {change.name}"
        )  # fmt: skip
    return Subject("build", "deps", text)


def _mode(change: Change, zh: bool) -> str:
    if change.new_mode.endswith("755"):
        return f"将 {change.name} 设为可执行" if zh else f"make {change.name} executable"
    return f"取消 {change.name} 的可执行权限" if zh else f"make {change.name} not executable"


def _verb(status: str, zh: bool) -> str:
    words = {"A": ("add", "新增"), "C": ("add", "新增"), "D": ("remove", "删除")}
    words |= {"R": ("rename", "重命名")}
    return words.get(status, ("update", "更新"))[zh]


def action(changes: Sequence[Change], language: Language) -> str:
    """Return what was done to which files: "update README.md", "新增 a.py、b.py"."""
    zh = language == "zh"
    statuses = {"A" if change.status == "C" else change.status for change in changes}
    status = statuses.pop() if len(statuses) == 1 else "M"
    verb = _verb(status, zh)
    if len(changes) == 1 and status == "R":
        old, new = PurePosixPath(changes[0].old_path).name, changes[0].name
        if old == new:
            place = str(PurePosixPath(changes[0].path).parent)
            return _clip(f"移动 {new} 到 {place}" if zh else f"move {new} to {place}", 60)
        return _clip(f"{verb} {old} 为 {new}" if zh else f"{verb} {old} to {new}", 60)
    names = list(dict.fromkeys(printable(change.name) for change in changes))
    listed = ("、" if zh else ", ").join(names)
    if len(names) <= 3 and len(verb) + 1 + len(listed) <= 50:
        return f"{verb} {listed}"
    if len(changes) == 1:
        return _clip(f"{verb} {names[0]}", 60)
    folder = _common_folder(changes)
    if zh:
        return (
            f"{verb} {folder} 中的 {len(changes)} 个文件"
            if folder
            else f"{verb} {len(changes)} 个文件"
        )
    return f"{verb} {len(changes)} files" + (f" in {folder}" if folder else "")


def _common_folder(changes: Sequence[Change]) -> str:
    parts = [PurePosixPath(change.path).parent.parts for change in changes]
    shared = []
    for row in zip(*parts, strict=False):
        if len(set(row)) > 1:
            break
        shared.append(row[0])
    folder = printable("/".join(shared))
    return folder if len(folder) <= 30 else printable(shared[-1])[:30]


def _folder_scope(changes: Sequence[Change]) -> str:
    """A line that names its files needs no scope that is one of these names."""
    return scope_of(changes) if len(changes) > 1 else ""


def fallback(changes: Sequence[Change], language: Language) -> Subject:
    """Return what can be said without a model: "docs: update README.md"."""
    return fixed(changes, language) or Subject(
        likely_type(changes), _folder_scope(changes), action(changes, language)
    )


def read(line: str) -> Subject:
    """Return the parts of a line as a model wrote it; type and scope empty where it has none."""
    match = CONVENTIONAL.match(line.strip())
    if match and match[1].lower() in TYPES:
        scope = (match[2] or "").strip().lower()
        is_scope = re.fullmatch(r"[a-z0-9][\w./-]{0,29}", scope, re.A)
        return Subject(match[1].lower(), scope if is_scope else "", match[3])
    return Subject("", "", line)


def tidy(text: str) -> str:
    """Return the words of a subject without quotes, final stop, emoji and unprintable characters."""
    text = " ".join(printable(text).replace("**", "").split())
    text = re.sub(r"^(?::\w+:|[\u2600-\u27bf\U0001f300-\U0001faff\ufe0f]+)\s*", "", text)
    text = re.sub(r"^\s*(?:[-*•>]|\d+[.)])\s+", "", text)
    for _ in range(3):
        text = text.strip(" \t*_~#")
        text = text[:-1] if text.endswith((".", "。", ";", "；", ":", "：", ",", "，")) else text
        if len(text) > 1 and text[0] + text[-1] in ('""', "''", "``", "“”", "‘’", "「」"):
            text = text[1:-1]
    if re.match(r"[A-Z][a-z]+( |$)", text):
        text = text[0].lower() + text[1:]
    return text


def printable(text: str) -> str:
    """Control, format, private and half characters could break a terminal or the commit."""
    return "".join(
        " " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c)[0] != "C"
    )


NOTHING = re.compile(
    r"^(?:undefined|null|none|n/?a|todo|tbd|subject|message|commit(?: message)?|type|scope|description"
    r"|<.*>|\[.*\]|\.+|提交说明|说明|无)$",
    re.I,
)
MARKUP = re.compile(r"<\|?/?\w+\|?>|^diff --git|^@@ |^(?:\+\+\+|---) |\ufffd|```")


PAIRS = {")": "(", "]": "[", "}": "{", "）": "（", "」": "「", "》": "《"}
HAN = re.compile(r"[\u3400-\u9fff]")
ODD_END = re.compile(r"[^\w)\]}）」》”’\"'`%+!?！？…*]$")


def is_usable(text: str, instruction: str, language: Language | None = None) -> bool:
    """Say whether a tidied subject says something of its own, and not the prompt's words.

    It has to be in `language`, where one is given.
    """
    letters = [c for c in text if c.isalpha()]
    if len(letters) < 2 or len(letters) * 2 < len(text.replace(" ", "")):
        return False
    han = len(HAN.findall(text))
    if han < 3 and len(text.split()) < 2:
        return False
    if (language == "zh" and not han) or (language == "en" and of_text(text) == "zh"):
        return False
    if NOTHING.match(text) or MARKUP.search(text) or ODD_END.search(text) or _is_torn(text):
        return False
    words = text.lower()
    if len(words) > 5 and words in instruction.lower():
        return False
    return len(set(words)) >= min(4, len(words)) and not re.search(r"(.{2,12}?)\1{4,}", words)


def _is_torn(text: str) -> bool:
    """Say whether a bracket or a code quote is opened and not closed, or the other way round."""
    waiting: list[str] = []
    for c in text:
        if c in PAIRS.values():
            waiting.append(c)
        elif c in PAIRS and (not waiting or waiting.pop() != PAIRS[c]):
            return True
    return bool(waiting) or text.count("`") % 2 == 1


def line(subject: Subject, style: str) -> str:
    """Return the whole line in a style: conventional, plain or gitmoji; at most 72 characters."""
    if style == "plain":
        text = subject.text[:1].upper() + subject.text[1:]
        return _clip(text, LONGEST)
    if style == "gitmoji":
        return _clip(f"{EMOJI[subject.type]} {subject.text}", LONGEST)
    head = f"{subject.type}({subject.scope})" if subject.scope else subject.type
    return _clip(f"{head}: {subject.text}", LONGEST)


def _clip(text: str, longest: int) -> str:
    """Return `text` cut at the end of a word where it is too long."""
    if len(text) <= longest:
        return text
    cut = text[: longest + 1]
    at = max(cut.rfind(" "), cut.rfind("，"), cut.rfind("、"))
    cut = cut[:at] if at > longest // 2 else cut[:longest]
    return cut.rstrip(" ,，、;；:：(（-")


def is_well_formed(text: str, style: str = "conventional") -> bool:
    """Say whether `text` is one line of its style, of at most 72 characters."""
    first, _, rest = text.rstrip("\n").partition("\n")
    if not first.strip() or len(first) > LONGEST or (rest and not rest.startswith("\n")):
        return False
    if style == "conventional":
        return bool(WELL_FORMED.match(first)) and not first.endswith(".")
    return first.startswith(tuple(EMOJI.values())) if style == "gitmoji" else first == first.strip()
