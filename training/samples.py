"""Writes ten outputs of each task, as the program gives them, for reading.

    python -m training.samples --out training/outputs.md

The texts to work on are our own, and the training has seen them in one task or another: `evaluate.py`
measures on texts it has not seen. Seeds are 1 to 10. Nothing is chosen or left out.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from gptwrite.engines.base import Engine
from gptwrite.engines.llama import LlamaEngine
from gptwrite.inputs import Inputs
from gptwrite.models import builtin_path
from gptwrite.starter import stream_of, with_notes
from gptwrite.template import Library
from gptwrite.write import Job, text_language, write

CORPUS = Path(__file__).parent / "corpus" / "tasks"
TOPICS = {
    "article": "气候变化 春节 人工智能 茶 睡眠 黑洞 苏州 面试 量子纠缠 我家的猫",
    "poetry": "秋夜 春雨 送别友人 梅花 江上 故乡 登高 明月 雪后 夏荷",
    "story": "迟到的雨伞 会说话的老钟 小镇的面包店 丢失的钥匙 海边的灯塔 第一次坐火车 外婆的菜园 雨天的猫 "
    "山里的邮递员 最后一片叶子",
    "news": "社区图书馆延长开放时间 学校举办科技节 菜市场完成改造 公交线路调整 公园荷花盛开 小区安装充电桩 "
    "医院开设夜间门诊 乡村道路通车 市民参加马拉松 博物馆免费开放",
    "outline": "节约用水 如何写简历 人工智能 校园安全 健康饮食 旅行计划 读书笔记 春节习俗 时间管理 环境保护",
    "email": "请假一天看病 邀请同事开会 感谢老师指导 询问订单进度 推迟交报告 应聘编辑职位 通知停电 申请报销 "
    "祝贺升职 道歉迟到",
    "ask": "你是谁 你能做什么 水的沸点是多少 你能上网吗 一年有几个季节 怎样写好作文 光合作用是什么 "
    "你会出错吗 中国的首都是哪里 怎样养成早起的习惯",
}
CODE = "快速排序|判断素数|reverse a string|二分查找|斐波那契数列|count the words in a text|最大公约数|统计字符出现次数|栈|flatten a nested list"
TRANSLATE = "今天天气很好。|我喜欢读书。|这个函数返回一个列表。|The meeting starts at nine.|请关上门。|她在图书馆工作。|Save the file before you leave.|水在零度结冰。|我们明天出发。|The test failed."
SPELL = "我们今天去工园玩。|他的身体很健慷。|请按时完成作叶。|这件衣服很飘亮。|春天来了，花都开了。|我门一起学习。|他在认真地听刻。|大家要注义安全。|河水清澈见低。|这是一个号主意。"
POLISH = "我觉得这个方案的话其实是可以的，但是呢还有一些问题需要去进行解决。|会议在明天的上午的九点钟的时候开始。|他因为生病的原因所以没有来。|这个东西非常非常的好用，大家都觉得好用。|我们对这个问题进行了认真的讨论。"


def jobs(task: str, corpus: Path) -> Iterator[Inputs]:
    """Yields the ten inputs of a task."""
    if task in TOPICS:
        yield from (Inputs(topic) for topic in TOPICS[task].split())
    elif task == "code":
        yield from (Inputs(topic) for topic in CODE.split("|"))
    elif task in ("translate", "spell", "polish"):
        lines = {"translate": TRANSLATE, "spell": SPELL, "polish": POLISH}[task].split("|")
        yield from (Inputs("", line) for line in (lines * 2)[:10])
    elif task == "commit-message":
        yield from (Inputs("", r["diff"]) for r in read(corpus / "diffs.jsonl")[:40:4])
    elif task in ("review", "explain-code"):
        yield from (Inputs("", r["code"]) for r in read(corpus / "review.jsonl")[:10])
    else:  # summary, title, continue
        yield from (Inputs("", r["text"]) for r in read(corpus / "stories.jsonl")[:10])


def read(path: Path) -> list[dict]:
    """Returns the records of a jsonl."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def sample(task: str, inputs: Inputs, seed: int, engine: Engine, library: Library) -> str:
    """Returns one output with what it was asked for."""
    job = Job(library.load(task), inputs, text_language(inputs), sampling={"seed": seed})
    job = with_notes(job)
    tokens = list(write(job, engine, stream=stream_of(engine)))
    text = "".join(token.text for token in tokens if not token.is_thinking).rstrip()
    end = "" if tokens and tokens[-1].finish == "stop" else " [not ended]"
    asked = (inputs.topic or inputs.text).replace("\n", " ")
    return f"### {asked[:80]}\n\n{text}{end}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=builtin_path())
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    parser.add_argument("--out", type=Path, default=Path("training/outputs.md"))
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    library, engine = Library(), LlamaEngine(options.model)
    parts = ["# Ten outputs of each task\n\nNothing chosen, nothing left out; seeds 1 to 10.\n"]
    for task in options.only.split(",") if options.only else library.names():
        parts.append(f"## {task}\n")
        for seed, inputs in enumerate(jobs(task, options.corpus), 1):
            parts.append(sample(task, inputs, seed, engine, library))
    options.out.write_text("\n".join(parts), encoding="utf-8")
    engine.close()


if __name__ == "__main__":
    main()
