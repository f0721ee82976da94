"""What users are told when a download fails, and what they can do about it."""

from __future__ import annotations

import errno
from pathlib import Path

from gptwrite.errors import GptwriteError, ModelError
from gptwrite.language import say


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
        return no_space(target.parent, missing_bytes, 0)
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
        say("Free some space (`gptwrite models rm`), or set GPTWRITE_DATA_DIR to another disk.",
            "请腾出空间（`gptwrite models rm`），或把 GPTWRITE_DATA_DIR 设到其他磁盘。"),
    )  # fmt: skip
