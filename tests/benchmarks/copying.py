"""What drafting gains where a text is mostly copied: mending mistakes, polishing.

    python tests/benchmarks/copying.py [--model MODEL.gguf] [--tokens 160] [--rounds 3]

The same requests with and without it, in turn, greedy, so that the texts must be equal. Times are
those of decoding, from the first token to the last. Without a model the built-in one is used.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

from gptwrite.engines.llama import LlamaEngine
from gptwrite.engines.model import LoadOptions
from gptwrite.inputs import Inputs
from gptwrite.models import builtin_path
from gptwrite.template import Library
from gptwrite.write import Job, build_request

TEXTS = (
    "昨天下午，我和朋友一起去公圆散步。公园里的花开得很漂亮，湖面上有几只鸭子在游永。我们坐在长椅上"
    "聊天，一直到太阳下山才依依不舍地回家。路上又下起了小雨，好在我们都带了雨伞。",
    "图书馆在学校的东边，每天早上八点开们。里面有很多书，还有安静的自习室。同学们下课以后常常去那里"
    "看书、写作业，晚上九点才离开。图书馆的老师很热情，会帮助大家找到想要的资科。",
    "这家工厂今年采用了新的设备，生产效率提高了三成，能耗却下降了一成半。负责人表示，明年还要继续改"
    "造其余的生产线，并且培训更多的工人，让每个人都能熟炼地操作这些机器。",
)
TASKS = ("spell", "polish")


def write_all(engine: LlamaEngine, task: str, tokens: int) -> tuple[float, int, list[str]]:
    """Return seconds of decoding, tokens decoded, and the texts."""
    seconds, count, texts = 0.0, 0, []
    template = Library().load(task)
    for text in TEXTS:
        sampling = {"temperature": 0.0, "max_tokens": tokens}
        request = build_request(Job(template, Inputs("", text), "zh", sampling=sampling))
        start, written, answer = 0.0, 0, ""
        for token in engine.stream(request):
            start = start or time.perf_counter()
            written += token.id is not None
            answer += token.text
        seconds += time.perf_counter() - start
        count += max(0, written - 1)
        texts.append(answer)
    return seconds, count, texts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=builtin_path())
    parser.add_argument("--tokens", type=int, default=160)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"copying: {options.model.name}, {len(TEXTS)} texts, {options.rounds} rounds")
    for task in TASKS:
        rows: dict[bool, list[float]] = {True: [], False: []}
        texts: dict[bool, list[str]] = {}
        count = 0
        for _ in range(options.rounds):
            for drafting, row in rows.items():
                engine = LlamaEngine(options.model, LoadOptions(drafting=drafting))
                seconds, count, texts[drafting] = write_all(engine, task, options.tokens)
                row.append(seconds)
                engine.close()
        on, off = (statistics.median(rows[key]) for key in (True, False))
        same = sum(a == b for a, b in zip(texts[True], texts[False], strict=True))
        copied = sum(
            len(set(text) & set(source)) / max(1, len(set(text)))
            for text, source in zip(texts[True], TEXTS, strict=True)
        )
        print(
            f"  {task:<7} {count} tokens: without {count / off:7.1f} tok/s, with {count / on:7.1f} "
            f"tok/s   {off / on:.2f}x   equal texts {same} of {len(TEXTS)}, "
            f"characters from the source {copied / len(TEXTS):.0%}"
        )


if __name__ == "__main__":
    main()
