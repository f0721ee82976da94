"""What users are told when a download fails, and what they can do about it."""

from __future__ import annotations

import errno
from pathlib import Path

from gptwrite.errors import GptwriteError, ModelError
from gptwrite.language import say

TOKENS_PAGE = "https://huggingface.co/settings/tokens"


def gated(what: str, page: str) -> ModelError:
    """Return the error for a model whose terms must be accepted first, on the page of that address."""
    return ModelError(
        say(f"{what} is gated: its owner wants you to accept terms first.",
            f"{what} 需要先接受其所有者的条款。"),
        say(f"Accept them at {page}, make a token at {TOKENS_PAGE}, and set HF_TOKEN to it.",
            f"请在 {page} 接受条款，在 {TOKENS_PAGE} 新建令牌，并设置 HF_TOKEN。"),
    )  # fmt: skip


def refused(name: str, status: int) -> ModelError:
    """Return the error for a server that keeps the file from this user, or from everybody."""
    return ModelError(
        say(f"The server does not let you have {name} ({status}).",
            f"服务器不允许你获取 {name}（{status}）。"),
        say("It may need a token: set HF_TOKEN, and accept the model's terms on its page.",
            "可能需要令牌：请设置 HF_TOKEN，并在模型页面接受其条款。"),
    )  # fmt: skip


def gave_up(name: str, problem: Exception) -> ModelError:
    """Return the error for a source that fails again and again."""
    return ModelError(
        say(f"{name} could not be fetched: {problem}.", f"无法获取 {name}：{problem}。"),
        say("Run the same command again later: it goes on where it stopped. In mainland China, "
            "--source modelscope or HF_ENDPOINT=https://hf-mirror.com may help.",
            "稍后再次运行同一命令即可继续。在中国大陆可用 --source modelscope 或 "
            "HF_ENDPOINT=https://hf-mirror.com。"),
    )  # fmt: skip


def unusable_address(url: str, exc: Exception) -> ModelError:
    """Return the error for an address no request can be made of."""
    return ModelError(
        say(f"{url} cannot be fetched: {exc}.", f"无法获取 {url}：{exc}。"),
        say("Check the address.", "请检查地址。"),
    )


def disk_error(exc: OSError, target: Path, missing_bytes: int) -> GptwriteError:
    """Return the error for a file that cannot be written."""
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        if missing_bytes > 0:
            return no_space(target.parent, missing_bytes, 0)
        return ModelError(
            say(f"The disk is full: {target} cannot grow.", f"磁盘已满：{target} 无法继续写入。"),
            _how_to_free(),
        )
    return ModelError(
        say(f"Cannot write {target}: {exc.strerror or exc}.",
            f"无法写入 {target}：{exc.strerror or exc}。"),
        say("Check the folder's permissions.", "请检查目录权限。"),
    )  # fmt: skip


def no_space(folder: Path, needed_bytes: int, free_bytes: int) -> ModelError:
    """Return the error for a disk with too little room."""
    missing = max(0, needed_bytes - free_bytes)
    return ModelError(
        say(f"The disk is too full: {needed_bytes / 1e9:.2f} GB needed in {folder}, "
            f"{missing / 1e9:.2f} GB more than there is.",
            f"磁盘空间不足：{folder} 需要 {needed_bytes / 1e9:.2f} GB，还差 {missing / 1e9:.2f} GB。"),
        _how_to_free(),
    )  # fmt: skip


def _how_to_free() -> str:
    return say(
        "Free some space (`gptwrite models rm`), or set GPTWRITE_DATA_DIR to another disk.",
        "请腾出空间（`gptwrite models rm`），或把 GPTWRITE_DATA_DIR 设到其他磁盘。",
    )
