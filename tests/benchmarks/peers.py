"""Gets the peers, each in a folder of its own: binary packages only, nothing is compiled.

The environment of `llm` borrows the compiled llama-cpp-python of the interpreter that runs this:
the same library under both, and no second build.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
INSTALL_SECONDS = 300


class Missing(Exception):
    """A peer cannot be had here; the message says why."""


@dataclass(frozen=True)
class Peer:
    """How to get one answer: the command, without the model, and what its environment needs."""

    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)


def here(kind: str, _work: Path) -> Peer:
    """A peer that comes with the tests' own packages."""
    if subprocess.run([sys.executable, "-c", "import llama_cpp"], capture_output=True).returncode:
        raise Missing("llama-cpp-python is not installed")
    if kind.endswith("server"):
        found = subprocess.run(
            [sys.executable, "-c", "import uvicorn, fastapi"], capture_output=True
        )
        if found.returncode:
            raise Missing("its server extra is not installed")
    return Peer([sys.executable, str(HERE / "peer.py"), kind])


def xllamacpp(kind: str, work: Path) -> Peer:
    python = _environment(work / kind, ["xllamacpp"], "xllamacpp")
    return Peer([str(python), str(HERE / "peer.py"), kind])


def llm_gguf(kind: str, work: Path) -> Peer:
    folder = work / kind
    python = _environment(folder, ["llm"], "llm")
    own = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    # A .pth file adds these behind the environment's own packages.
    Path(own, "zz_llama_cpp.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    if subprocess.run([python, "-c", "import llm_gguf"], capture_output=True).returncode:
        _run([str(python), "-m", "pip", "install", "-q", "--no-deps", "llm-gguf"])
    user = folder / "user"
    user.mkdir(exist_ok=True)
    return Peer([str(python), str(HERE / "peer.py"), kind], {"LLM_USER_PATH": str(user)})


def node_llama_cpp(kind: str, work: Path) -> Peer:
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        raise Missing("node is not installed")
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        raise Missing("its binaries are looked for on Linux x86-64 only")
    folder = work / kind
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "node_modules" / "node-llama-cpp").exists():
        (folder / "package.json").write_text('{"private": true}', encoding="utf-8")
        # Without --omit=optional every GPU's binaries come too, half a gigabyte of them.
        install = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--omit=optional"]
        _run([*install, "node-llama-cpp"], folder)
    if not (folder / "node_modules" / "@node-llama-cpp" / "linux-x64").exists():
        about = folder / "node_modules" / "node-llama-cpp" / "package.json"
        version = subprocess.run(
            [node, "-p", f"require({str(about)!r}).version"], capture_output=True, text=True
        ).stdout.strip()
        packed = _run([npm, "pack", "--silent", f"@node-llama-cpp/linux-x64@{version}"], folder)
        target = folder / "node_modules" / "@node-llama-cpp" / "linux-x64"
        target.mkdir(parents=True)
        archive = folder / packed.strip().splitlines()[-1]
        _run(["tar", "-xzf", str(archive), "-C", str(target), "--strip-components=1"])
    shutil.copy(HERE / "peer.mjs", folder)
    return Peer([node, str(folder / "peer.mjs")], {"NODE_NO_WARNINGS": "1"})


PEERS: dict[str, Callable[[str, Path], Peer]] = {
    "bare C loop": here,
    "llama-cpp-python": here,
    "llama-cpp-python server": here,
    "xllamacpp": xllamacpp,
    "llm-gguf": llm_gguf,
    "node-llama-cpp": node_llama_cpp,
}


def get(name: str, work: Path) -> Peer:
    """Return the peer of that name, fetched now if the folder lacks it; raise `Missing`."""
    try:
        return PEERS[name](name, work)
    except (OSError, subprocess.SubprocessError) as reason:
        raise Missing(str(reason)) from None


def _environment(folder: Path, packages: list[str], module: str) -> Path:
    """Return the interpreter of a virtual environment with the packages; raise `Missing`."""
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists():
        try:
            _run([sys.executable, "-m", "venv", str(folder)])
        except Missing:
            shutil.rmtree(folder, ignore_errors=True)  # half of one would be in the way for ever
            raise
    if subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode:
        install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        _run([*install, "--only-binary", ":all:", *packages])
    return python


def _run(command: list[str], folder: Path | None = None) -> str:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise Missing(f"not installed within {INSTALL_SECONDS} s") from None
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise Missing(lines[-1] if lines else f"{command[0]} failed")
    return done.stdout
