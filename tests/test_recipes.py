"""The README's recipes, each run as it stands there, with the real tools it names."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = "The committee met on Monday. It decided to plant forty trees."


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """A function that runs a line in a folder of its own, and gives what it printed."""
    here, tools = tmp_path / "work", tmp_path / "bin"
    here.mkdir()
    tools.mkdir()
    program = tools / "gptwrite"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gptwrite "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.chdir(here)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("GPTWRITE_MODEL", "echo")

    def run(line: str) -> str:
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", line], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    return run


def recipes() -> list[str]:
    """Return the commands in the README's section."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("\n## Recipes\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```(?:sh|make|vim)\n(.*?)```", section, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def recipe(words: str) -> str:
    """Return the README's one command that holds `words`, without its comment."""
    (line,) = [line for line in recipes() if words in line]
    return line.partition("  #")[0].strip()


def need(tool: str) -> None:
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")


def test_a_diff_is_reviewed(shell: Callable[[str], str]) -> None:
    need("git")
    shell("git init -q . && git config user.email a@b.c && git config user.name n"
          " && echo 'total = 1' > sum.py && git add . && git commit -qm begin"
          " && echo 'total = 2' > sum.py")  # fmt: skip
    assert "+total = 2" in shell(recipe("git diff | gptwrite"))


class Page(BaseHTTPRequestHandler):
    """Serves one text."""

    def do_GET(self) -> None:
        body = TEXT.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def page() -> Iterator[str]:
    """The address of a page on this machine."""
    server = HTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/report.txt"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_page_is_summarized(shell: Callable[[str], str], page: str) -> None:
    need("curl")
    line = re.sub(r"https?://\S+", page, recipe("curl"))
    assert page in line
    assert TEXT in shell(line)


def one_page_pdf(text: str) -> bytes:
    """Return a PDF of one page with one line on it."""
    stream = f"BT /F1 12 Tf 20 100 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 500 200] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    data, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    data += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    data += b"trailer\n<< /Size %d /Root 1 0 R >>\n" % (len(objects) + 1)
    return data + b"startxref\n%d\n%%%%EOF\n" % start


def test_a_pdf_is_summarized(shell: Callable[[str], str]) -> None:
    Path("report.pdf").write_bytes(one_page_pdf(TEXT))
    line = recipe("pdftotext")
    if not shutil.which("pdftotext"):
        # Without poppler, what it would print is piped in: the second half of the recipe is run.
        Path("extracted.txt").write_text(TEXT + "\n\f", encoding="utf-8")
        line = line.replace("pdftotext report.pdf -", "cat extracted.txt")
    assert TEXT in shell(line)


def test_a_text_is_shown_and_kept(shell: Callable[[str], str]) -> None:
    shown = shell(recipe("| tee"))
    assert shown.startswith("# ") and Path("mid-autumn.md").read_text(encoding="utf-8") == shown


def test_many_topics_go_through_xargs(shell: Callable[[str], str]) -> None:
    Path("topics.txt").write_text("秋天\nthe sea\n", encoding="utf-8")
    shell(recipe("xargs"))
    assert "# 秋天" in Path("秋天.md").read_text(encoding="utf-8")
    assert "# the sea" in Path("the sea.md").read_text(encoding="utf-8")


def test_a_buffer_of_vim_is_polished(shell: Callable[[str], str]) -> None:
    need("vim")
    Path("draft.txt").write_text(TEXT + "\n", encoding="utf-8")
    command = recipe(":%!")
    shell(f"vim -u NONE -es -c '{command[1:]}' -c wq draft.txt")
    text = Path("draft.txt").read_text(encoding="utf-8")
    assert TEXT in text and text != TEXT + "\n"


def test_make_rebuilds_a_summary_when_its_text_changes(shell: Callable[[str], str]) -> None:
    need("make")
    rule = [line for line in recipes() if line.startswith(("%.summary", "\t"))]
    Path("Makefile").write_text("\n".join(rule) + "\n", encoding="utf-8")
    Path("report.txt").write_text(TEXT, encoding="utf-8")
    shell("make report.summary.md")
    assert TEXT in Path("report.summary.md").read_text(encoding="utf-8")
    shell("make -q report.summary.md")


def test_a_folder_is_translated_and_rows_are_filtered(shell: Callable[[str], str]) -> None:
    Path("docs/a").mkdir(parents=True)
    Path("docs/a/x.md").write_text("first", encoding="utf-8")
    Path("docs/y.md").write_text("second", encoding="utf-8")
    Path("docs/z.png").write_bytes(b"\x89PNG\0\0")
    shell(recipe("batch translate"))
    assert sorted(p.as_posix() for p in Path("out").rglob("*.md")) == ["out/a/x.md", "out/y.md"]
    Path("rows.jsonl").write_text('{"id": 1, "text": "a long text"}\n', encoding="utf-8")
    shell(recipe("< rows.jsonl"))
    assert '"id": 1' in Path("titles.jsonl").read_text(encoding="utf-8")


def test_every_recipe_of_the_readme_is_run_here() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    words = ("git diff |", "curl", "pdftotext", "| tee", "xargs", ":%!", "batch translate",
             "< rows.jsonl", "%.summary", "\t")  # fmt: skip
    for line in recipes():
        assert [word for word in words if word in line], line
    assert source.count("recipe(") >= 8
