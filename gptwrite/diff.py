"""What is staged: files, what kind of change each is, and the patch of those worth reading.

Knows git's output formats; knows no model and no message.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Literal

from gptwrite import git
from gptwrite.errors import InputError
from gptwrite.files import decode
from gptwrite.masking import mask

Kind = Literal["text", "lock", "binary", "generated", "submodule", "mode", "rename", "secret"]
Status = Literal["A", "M", "D", "R", "C", "T"]

FILE_BYTES = 128 * 1024  # most of one file's patch that is read
DIFF_BYTES = 64 * 2**20  # most of a whole diff that is read
LINE_CHARACTERS = 400  # minified lines say nothing past this
OPTIONS = (
    "--cached", "-M", "--no-ext-diff", "--no-textconv", "--no-color", "--ignore-submodules=none",
)  # fmt: skip
SUBMODULE_MODE = "160000"
LOCK_NAME = re.compile(
    r"^((package-lock|npm-shrinkwrap|deno\.lock|packages\.lock)\.json|go(\.work)?\.sum|bun\.lockb"
    r"|(yarn|bun|deno|poetry|pdm|uv|Pipfile|pixi|Cargo|composer|Gemfile|mix|pubspec|Podfile|flake|paket"
    r"|rebar|stack\.yaml|MODULE\.bazel|Chart|mise)\.lock|(pnpm-lock|conda-lock|shard)\.ya?ml|shard\.lock"
    r"|Package\.resolved|Cartfile\.resolved|gradle\.lockfile|cabal\.project\.freeze"
    r"|\.terraform\.lock\.hcl)$"
)
GENERATED_PATH = re.compile(
    r"(^|/)(node_modules|dist|__snapshots__|\.yarn/(cache|releases)|third_party|vendor)/"
    r"|\.min\.(js|css|mjs)$|\.(js|css|mjs|ts)\.map$|_pb2(_grpc)?\.pyi?$|\.pb(\.gw)?\.go$|\.pb\.(cc|h)$"
    r"|\.g\.dart$|\.freezed\.dart$|\.designer\.cs$|\.(snap|ipynb_checkpoints)$|\.generated\.\w+$"
)
GENERATED_MARK = re.compile(r"^\+.{0,40}(@generated\b|Code generated .* DO NOT EDIT)", re.M)
SECRET_NAME = re.compile(
    r"(^|/)(id_(rsa|dsa|ecdsa|ed25519)|\.netrc|\.pgpass|\.htpasswd|credentials(\.json)?)$"
    r"|\.(pem|key|p12|pfx|jks|keystore|kdbx)$"
)
ENVIRONMENT_NAME = re.compile(r"(^|/)(\.env(\.[\w.-]+)?|[\w-]+\.env|\.npmrc|\.pypirc)$")


@dataclass(frozen=True)
class Change:
    """One file of a commit. `patch` is in git's own form, masked; empty when it is not to be read.

    `added` and `removed` count lines. `old_path` differs from `path` for a rename or a copy.
    `old_id` and `new_id` are abbreviated object names, of commits for a submodule.
    """

    path: str
    status: Status
    kind: Kind
    old_path: str = ""
    added: int = 0
    removed: int = 0
    old_mode: str = ""
    new_mode: str = ""
    old_id: str = ""
    new_id: str = ""
    patch: str = ""
    is_cut: bool = False

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name


def staged(base: str) -> list[Change]:
    """Return what the index holds that the tree `base` does not, patches included."""
    changes = staged_files(base)
    if not any(change.kind == "text" for change in changes):
        return changes
    with git.reading(
        ["-c", "core.quotePath=false", "diff-index", "-p", "-U2", *OPTIONS, base]
    ) as stream:
        return with_patches(changes, stream)


def staged_files(base: str) -> list[Change]:
    """Return the staged files without their patches."""
    raw = git.run(["diff-index", "--raw", "--numstat", "-z", "--abbrev=7", *OPTIONS, base])
    return _mark_generated(parse_files(raw))


def parse_files(data: bytes) -> list[Change]:
    """Return the changes in the output of `git diff-index --raw --numstat -z`."""
    fields = iter(data.split(b"\0"))
    rows: list[Change] = []
    sizes: dict[str, tuple[str, str]] = {}
    for field in fields:
        if field.startswith(b":"):
            modes = field[1:].decode("ascii").split()
            status = modes[4][0]
            old = path = _path(next(fields))
            if status in "RC":
                path = _path(next(fields))
            rows.append(
                Change(path, status, "text", old, 0, 0, *modes[:4])  # type: ignore[arg-type]
            )
        elif field:
            added, removed, rest = field.split(b"\t", 2)
            path = _path(rest)
            if not path:
                next(fields)
                path = _path(next(fields))
            sizes[path] = (added.decode("ascii"), removed.decode("ascii"))
    return [_classified(row, *sizes.get(row.path, ("0", "0"))) for row in rows]


def _path(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _classified(change: Change, added: str, removed: str) -> Change:
    is_binary = added == "-"
    counts = (0, 0) if is_binary else (int(added), int(removed))
    change = dataclasses.replace(change, added=counts[0], removed=counts[1])
    return dataclasses.replace(change, kind=_kind(change, is_binary))


def _kind(change: Change, is_binary: bool) -> Kind:
    if SUBMODULE_MODE in (change.old_mode, change.new_mode):
        return "submodule"
    if LOCK_NAME.match(change.name):
        return "lock"
    if SECRET_NAME.search(change.path):
        return "secret"
    same_content = change.old_id == change.new_id
    if change.status == "R" and same_content:
        return "rename"
    if change.status == "M" and same_content and change.old_mode != change.new_mode:
        return "mode"
    if is_binary:
        return "binary"
    return "generated" if GENERATED_PATH.search(change.path) else "text"


def _mark_generated(changes: list[Change]) -> list[Change]:
    """Ask .gitattributes which text files are generated."""
    paths = [change.path for change in changes if change.kind == "text"]
    if not paths:
        return changes
    given = "\0".join(paths).encode("utf-8", "replace") + b"\0"
    said = git.run(["check-attr", "--cached", "-z", "--stdin", "linguist-generated"], stdin=given)
    values = said.split(b"\0")
    generated = {
        _path(path)
        for path, value in zip(values[::3], values[2::3], strict=False)
        if value in (b"set", b"true")
    }
    return [
        dataclasses.replace(c, kind="generated") if c.path in generated and c.kind == "text" else c
        for c in changes
    ]


def with_patches(changes: list[Change], stream: IO[bytes]) -> list[Change]:
    """Return the changes with the patches that `stream` holds in the same order.

    A changed type gives two patches for one file; the second is not needed.
    """
    owners = [c for c in changes for _ in range(2 if c.status == "T" else 1)]
    found: dict[str, tuple[str, bool]] = {}
    for change, (patch, is_cut) in zip(owners, _patches(stream, owners), strict=False):
        if change.kind == "text" and change.path not in found:
            found[change.path] = (patch_text(patch, change.path), is_cut)
    return [_with_patch(c, *found[c.path]) if c.path in found else c for c in changes]


def _with_patch(change: Change, patch: str, is_cut: bool) -> Change:
    if GENERATED_MARK.search(patch[:2000]):
        return dataclasses.replace(change, kind="generated")
    return dataclasses.replace(change, patch=patch, is_cut=is_cut)


def _patches(stream: IO[bytes], owners: list[Change]) -> Iterator[tuple[bytes, bool]]:
    """Yield each patch of the stream and whether it was cut; read no more than is needed."""
    lines: list[bytes] = []
    size = total = number = 0
    is_cut = False
    # Lines longer than the limit come in pieces; only the first can be a heading.
    at_line_start = True
    while data := stream.readline(FILE_BYTES):
        total += len(data)
        if at_line_start and data.startswith(b"diff --git "):
            if number:
                yield b"".join(lines), is_cut
            number += 1
            lines, size, is_cut = [], 0, False
        at_line_start = data.endswith(b"\n")
        wanted = number <= len(owners) and owners[number - 1].kind == "text"
        if not wanted or size + len(data) > FILE_BYTES:
            is_cut = True
        else:
            lines.append(data)
            size += len(data)
        if total > DIFF_BYTES:
            yield b"".join(lines), True
            return
    if number:
        yield b"".join(lines), is_cut


def patch_text(patch: bytes, path: str) -> str:
    """Return a patch as text, in whatever encoding its file has, masked and without object names."""
    try:
        text = decode(patch, path)
    except InputError:
        text = patch.decode("utf-8", "replace")
    lines = [
        line if len(line) <= LINE_CHARACTERS else line[:LINE_CHARACTERS] + " …"
        for line in text.split("\n")
        if not line.startswith("index ")
    ]
    text = "\n".join(lines).rstrip("\n").replace("\r", "")
    return mask(text, bool(ENVIRONMENT_NAME.search(path)))


def parse_text(text: str) -> list[Change]:
    """Return the changes of a diff that comes as text, without asking git."""
    changes = []
    for block in re.split(r"^(?=diff --git )", text, flags=re.M):
        heading = re.match(r'diff --git "?a/(.*?)"? "?b/(.*?)"?$', block, re.M)
        if heading:
            changes.append(_from_block(block, heading[1], heading[2]))
    return changes


def _from_block(block: str, old: str, path: str) -> Change:
    def has(pattern: str) -> bool:
        return bool(re.search(pattern, block, re.M))

    status: Status = "M"
    if has(r"^new file mode"):
        status = "A"
    elif has(r"^deleted file mode"):
        status = "D"
    elif has(r"^rename to"):
        status = "R"
    body = block[match.start() :] if (match := re.search(r"^@@ ", block, re.M)) else ""
    added, removed = len(re.findall(r"^\+", body, re.M)), len(re.findall(r"^-", body, re.M))
    change = Change(path, status, "text", old, added, removed, new_id="new" if body else "")
    kind = _kind(change, has(r"^(Binary files .* differ|GIT binary patch)"))
    if kind == "text" and not body and has(r"^new mode"):
        kind = "mode"
    patch = patch_text(block.encode("utf-8"), path) if kind == "text" else ""
    return dataclasses.replace(change, kind=kind, patch=patch)


def heading(change: Change) -> str:
    """Return git's heading of a file, for one that is named only."""
    return f"diff --git a/{change.old_path or change.path} b/{change.path}"
