"""Makes commit messages: real diffs with their subject as a conventional commit."""

import re
from collections.abc import Iterator
from random import Random

from training.compose.example import Desk, Example
from training.compose.repetition import support
from training.compose.sources import Sources, pick_field

LONGEST_DIFF = 1200  # characters
LONGEST_SUBJECT = 72
CHINESE_SHARE = 0.3
TYPES = ("feat", "fix", "docs", "test", "ci", "build", "refactor", "style", "chore", "perf")
PATH_TYPES = ("docs", "test", "ci", "build")  # told by the paths alone
SUBJECT = re.compile(r"^(\w+)(\(([^)]*)\))?!?[:：]\s*(.+)$")
PATH = re.compile(r"^diff --git a/(\S+)", re.M)
TYPE_WORDS = (
    ("fix", r"\b(fix|fixes|fixed|bug|typo|correct|crash|regression|handle|avoid|prevent|workaround)|修复|修正|修改错误|错误|勘误"),
    ("feat", r"\b(add|adds|added|support|new|implement|introduce|allow|enable|feature)\b|新增|添加|增加|支持|补充"),
    ("perf", r"\b(faster|speed|performance|optimi[sz]e)\b|性能|优化"),
    ("refactor", r"\b(refactor|rename|move|simplify|clean|remove|drop|rewrite|reorganize|extract|use)\b|重构|移除|删除|调整|重命名|精简"),
    ("style", r"\b(format|lint|black|flake8|whitespace|style|isort|ruff)\b|格式|排版"),
)  # fmt: skip
IMPERATIVES = {
    word: base
    for base, words in {
        "add": "adds added adding", "fix": "fixes fixed fixing", "remove": "removes removed removing",
        "update": "updates updated updating", "use": "uses used using", "make": "makes made making",
        "change": "changes changed changing", "rename": "renames renamed renaming",
        "move": "moves moved moving", "improve": "improves improved improving",
        "support": "supports supported supporting", "allow": "allows allowed allowing",
        "correct": "corrects corrected", "refactor": "refactors refactored refactoring",
        "implement": "implements implemented implementing", "handle": "handles handled handling",
        "clean": "cleans cleaned cleaning", "document": "documents documented documenting",
        "replace": "replaces replaced replacing", "drop": "drops dropped dropping",
    }.items()
    for word in words.split()
}  # fmt: skip
DOC_ENDINGS = (".md", ".rst", ".txt")
CI_PATHS = (".github/", ".travis", "azure-pipelines", "appveyor", ".circleci", "Jenkinsfile")
BUILD_FILES = ("setup.py", "setup.cfg", "pyproject.toml", "package.json", "Makefile", "tox.ini", "requirements", "poetry.lock", ".pre-commit-config", "vite.config", "Dockerfile", "snapcraft", "noxfile")  # fmt: skip


def changed_paths(diff: str) -> list[str]:
    """Returns the paths of a diff."""
    return PATH.findall(diff)


def infer_type(paths: list[str], subject: str) -> str:
    """Returns the conventional type that the paths, and then the words of the subject, call for."""

    def every(test) -> bool:
        return bool(paths) and all(test(path) for path in paths)

    if every(lambda path: path.startswith(CI_PATHS)):
        return "ci"
    if every(is_test):
        return "test"
    if every(lambda path: path.endswith(DOC_ENDINGS) or path.startswith("docs/")):
        return "docs"
    if every(lambda path: path.split("/")[-1].startswith(BUILD_FILES)):
        return "build"
    for kind, words in TYPE_WORDS:
        if re.search(words, subject, re.I):
            return kind
    return "chore"


def is_test(path: str) -> bool:
    """Returns whether a path is a test."""
    name = path.rsplit("/", maxsplit=1)[-1]
    return (
        path.startswith(("tests/", "test/", "testing/"))
        or name.startswith("test_")
        or ".spec." in name
        or "/__tests__/" in path
    )


def infer_scope(paths: list[str]) -> str:
    """Returns a scope for the change: the file's name where one file changed, a common folder else."""
    if len(paths) == 1:
        scope = paths[0].split("/")[-1].split(".")[0]
        if scope in ("__init__", "index", "main") and "/" in paths[0]:
            scope = paths[0].split("/")[-2]
    else:
        folders = {path.rsplit("/", 1)[0] for path in paths if "/" in path}
        scope = folders.pop().split("/")[-1] if len(folders) == 1 else ""
    scope = re.sub(r"^(test_|_+)", "", scope.lower()).strip("._")
    return scope if re.fullmatch(r"[a-z][a-z0-9_-]{1,19}", scope) else ""


def conventional(subject: str, paths: list[str]) -> str | None:
    """Returns `type(scope): subject` for a real subject, or None where it says too little."""
    subject = re.sub(r"\s*\(?#\d+\)?", "", subject).strip()
    match = SUBJECT.match(subject)
    kind, scope = None, None
    if match and match.group(1).lower() in TYPES:
        kind, scope, subject = match.group(1).lower(), match.group(3), match.group(4)
    elif match and len(match.group(1)) < 12:
        subject = match.group(4)
    subject = re.sub(r"^[:\W]*:\w+:\s*", "", subject).strip(" .。`\"'")
    if not 6 <= len(subject) <= LONGEST_SUBJECT or (len(subject.split()) < 2 and subject.isascii()):
        return None
    if re.search(r"wip|merge|revert|pull request|address review|<<|issue", subject, re.I):
        return None
    inferred = infer_type(paths, subject)
    kind = inferred if kind is None or inferred in PATH_TYPES else kind
    scope = scope if scope is not None else infer_scope(paths)
    if re.match(r"[A-Z][a-z]+ ", subject):
        subject = subject[0].lower() + subject[1:]
    first, _, rest = subject.partition(" ")
    subject = f"{IMPERATIVES[first]} {rest}" if first in IMPERATIVES else subject
    scope = scope if re.fullmatch(r"[\w./-]{2,20}", scope or "") else ""
    head = f"{kind}({scope})" if scope else kind
    return f"{head}: {subject}"


def cut_diff(diff: str, longest: int = LONGEST_DIFF) -> str:
    """Returns the diff up to a file or hunk boundary within `longest` characters."""
    if len(diff) <= longest:
        return diff
    edges = [match.start() for match in re.finditer(r"^(diff --git |@@ )", diff, re.M)]
    fit = [edge for edge in edges if 0 < edge <= longest]
    whole = [edge for edge in fit if not diff[:edge].rstrip().split("\n")[-1].startswith("+++")]
    if whole:
        return diff[: whole[-1]].rstrip("\n")
    return diff[: diff.rfind("\n", 0, longest)]


def pairs(records: list[dict]) -> list[tuple[str, str]]:
    """Returns (cut diff, conventional subject) of the records that can be learned from."""
    found = []
    for record in records:
        paths = changed_paths(record["text"])
        message = conventional(record.get("summary", ""), paths)
        diff = cut_diff(record["text"])
        if message and is_grounded(message.split(": ", 1)[1], diff):
            found.append((diff, message))
    return found


def is_grounded(subject: str, diff: str) -> bool:
    """Returns whether half of what a subject names can be seen in the diff, so that it can be learned."""
    if not subject.isascii():
        return support(subject, diff) >= 0.3
    words = re.findall(r"[a-z_]{4,}", subject.lower())[1:]
    return bool(words) and sum(word in diff.lower() for word in words) >= 0.5 * len(words)


def commit_messages(sources: Sources, desk: Desk, rng: Random) -> Iterator[Example]:
    """Yields real diffs and written ones with their messages, short diffs first, for ever."""
    real = sorted(pairs(sources.open_text("commits")), key=lambda pair: len(pair[0]))
    chinese = [pair for pair in real if not pair[1].isascii()]
    real = real[: int(len(real) * 0.6)]
    written = [
        (pick_field(record, "diff", "text"), pick_field(record, "message", "subject", "summary"))
        for record in sources.tasks("diffs")
    ]
    written = [(diff, message) for diff, message in written if diff and message]
    while real or written:
        if written and (not real or rng.random() < 0.25):
            diff, message = rng.choice(written)
        else:
            some = chinese if chinese and rng.random() < CHINESE_SHARE else real
            diff, message = rng.choice(some)
        language = "en" if message.isascii() else "zh"
        yield desk.example("commit-message", language, message, text=diff)
