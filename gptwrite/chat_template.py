"""Whether the chat template of a model can be used: present, able to render, and harmless."""

from __future__ import annotations

import re

from gptwrite.engines import prompt
from gptwrite.engines.base import Message, Request
from gptwrite.errors import ModelError
from gptwrite.gguf_file import Header
from gptwrite.language import say

# What no chat format needs, and every escape from a template's sandbox begins with.
SUSPICIOUS = re.compile(r"__\w+__|\bmro\b|\bpopen\b|\bos\.system\b|\b(?:import|include)\s+['\"]")


def problems(header: Header) -> list[str]:
    """Return what is wrong with the template of a model, in words; empty when nothing is."""
    template = header.chat_template
    if not template:
        return [
            say("no chat template: a base model, which continues a text rather than follow orders",
                "没有对话模板：基础模型，只会续写而不遵循指令")
        ]  # fmt: skip
    found = []
    if match := SUSPICIOUS.search(template):
        found.append(
            say(f"unsafe chat template: it contains {match[0]!r} (gptwrite runs it in a sandbox)",
                f"不安全的对话模板：含有“{match[0]}”（gptwrite 在沙箱中运行它）")
        )  # fmt: skip
    request = Request((Message("system", "S"), Message("user", "U")))
    tokens = header.special_tokens
    try:
        prompt.build(request, template, tokens.get("bos", ""), tokens.get("eos", ""))
    except ModelError as exc:
        found.append(
            say(f"the chat template does not work: {exc.message}",
                f"对话模板无法使用：{exc.message}")
        )  # fmt: skip
    except Exception as exc:  # noqa: BLE001  a foreign template may raise anything
        found.append(
            say(f"the chat template does not work: {type(exc).__name__}: {exc}",
                f"对话模板无法使用：{type(exc).__name__}：{exc}")
        )  # fmt: skip
    return found
