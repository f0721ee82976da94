"""`gptwrite cache`: info, clear."""

from __future__ import annotations

import typer

from gptwrite.language import say

FOLDERS = {
    "prompts": ("states of prompts", "提示状态"),
    "partials": ("parts of long texts", "长文的部分结果"),
    "measured": ("measurements of models", "模型的测量结果"),
}


def add(app: typer.Typer) -> None:
    """Add the group to `app`."""
    group = typer.Typer(
        help=say("Show and clear what is kept to save time.", "查看和清空缓存。"),
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command("info", help=say("Show where the cache is and how large.",
                                   "显示缓存的位置和大小。"))(info)  # fmt: skip
    group.command("clear", help=say("Remove everything in it.", "清空缓存。"))(clear)
    app.add_typer(group, name="cache")


def info() -> None:
    from gptwrite.promptcache import usage
    from gptwrite.settings import cache_dir, load_settings

    settings = load_settings()
    typer.echo(str(cache_dir()))
    for folder, words in FOLDERS.items():
        count, size = usage(cache_dir() / folder)
        typer.echo(_line(words, count, size))
    if not settings.cache:
        typer.echo(say("The cache is switched off.", "缓存已关闭。"))
    else:
        typer.echo(say(f"Limit: {settings.cache_size_mb} MB (cache_size_mb).",
                       f"上限：{settings.cache_size_mb} MB（cache_size_mb）。"))  # fmt: skip


def clear() -> None:
    from gptwrite import promptcache
    from gptwrite.settings import cache_dir

    for folder, words in FOLDERS.items():
        count, size = promptcache.clear(cache_dir() / folder)
        typer.echo(say("Removed: ", "已删除：") + _line(words, count, size))


def _line(words: tuple[str, str], count: int, size_bytes: int) -> str:
    return say(
        f"{words[0]}: {count} files, {size_bytes / 1e6:.1f} MB",
        f"{words[1]}：{count} 个文件，{size_bytes / 1e6:.1f} MB",
    )
