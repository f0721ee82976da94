"""What the built-in model is helped with: notes on its topics, and a check of what it writes.

A model this small cannot hold many facts, but it can make an article of facts that are given. The
package ships a file of them, written for this project; an article on one of its topics gets the
topic's facts as material. The facts of one article are chosen by its seed, so the same seed gives
the same text. What it makes of them is read sentence by sentence (`check_of`): a note miscopied, a
topic nobody asked for, a summary of what the text does not say, code that does not parse are drawn
again.
"""

from __future__ import annotations

import functools
import gzip
import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from gptwrite import checks
from gptwrite.engines.base import Engine, Request, Token
from gptwrite.errors import ContextError, EngineError
from gptwrite.functions import head_of, nearest
from gptwrite.language import say
from gptwrite.longtext import Reading
from gptwrite.redraft import Check, redraft, together
from gptwrite.write import Job, Stream, write

NOTES = Path(__file__).parent / "builtin" / "notes.tsv.gz"
PLAIN = Path(__file__).parent / "builtin" / "plain_pairs.txt.gz"
NOTED_TASKS = ("article",)
KEPT_TASKS = ("polish", "spell")  # what they are given must not be lost
ABLE_TASKS = ("article", "poetry", "summary", "code", "commit-message")  # the rest it does badly
# Facts are to be kept to the letter: little chance, and no penalty on words of the prompt.
NOTED_SAMPLING = {"temperature": 0.3, "repeat_penalty": 1.0}
ENGLISH_TASKS = ("code", "explain-code", "commit-message", "ask", "spell", "translate")
CHARACTERS_A_FACT = 34  # an article's share for one fact, with what joins it to the next
LEAST_FACTS = 4
LEAST_SHARE = 0.7  # of the length asked for, below which the reader is told
MOST_POEMS = 6  # drawn for one whose theme is to be seen in it
LONGEST_NAME = 24  # characters of a topic that a stand-in can stand for
STAND_IN, STAND_IN_ACT = "台阶", "叠衣服"
LIKELY, SURE = 0.5, 1.0  # how near a function is that is likely, or surely, the one meant
LANGUAGES = (
    r"(?:rust|java|javascript|typescript|golang|go|kotlin|swift|ruby|php|perl|scala|haskell|lua|sql"
    r"|html|css|bash|shell|powershell|matlab|fortran|c\+\+|c#|c)"
)
OTHER_LANGUAGES = re.compile(
    rf"(?:\b(?:in|using|with)\s+|[用以]\s*){LANGUAGES}(?![\w+#])"
    rf"|(?<![\w]){LANGUAGES}\s*(?:语言|代码|脚本|程序|版|code|program|script)",
    re.IGNORECASE | re.ASCII,
)
HOW = re.compile("如何|怎样|怎么")
FIRST, LAST = ("definition",), ("action", "outlook")
MIDDLE = ("background", "mechanism", "example", "impact", "misconception")
# What may stand around a topic's name in a request without making it another topic.
_AROUND = (
    r"请|帮我|给我|为我|写一?篇|文章|作文|短文|科普|关于|有关|谈一?谈|聊一?聊|说一?说|讲一?讲|论|浅|介绍|简介|"
    r"认识|了解|走进|漫谈|什么是|为什么|怎样|怎么|如何|应该|要|看待|理解|学习?|入门|基础|知识|"
    r"的|与|和|及|对|在|是|我们?|你|身边|生活|社会|世界|人类|今天|现代|中国|"
    r"影响|意义|作用|价值|好处|原因|原理|特点|历史|由来|发展|现状|未来|前景|趋势|保护|应对|"
    r"利与弊|利弊|从我做起|教程|青少年|大学生|老年人|儿童|孩子|农村|城市|随笔|随想|杂谈|漫笔|小议|刍议|浅析|浅议|简析|解析|解读|揭秘|百科|指南|攻略|常识|须知|问答|百问|感想|心得|"
    r"体会|启示|感悟|二三事|那些事儿?|小?知多少|你?了解多少|你?知道吗|一文|一次|带你?|看懂|读懂|弄懂|搞懂|讲清|说清|"
    r"[一二三五十几]分钟|给?外行|给?孩子|给?初学者|讲给?|纵横谈?|面面观|听|看|读|写|想|能|会|有|什么|哪些|多少|"
    r"眼中|心中|心目中|印象|记忆|回忆|赞美?|歌颂|重要性?|魅力|故事|之美|之旅|里|中|上|一|二|三|[ ，。？！、：“”《》\"'?!,.:-]"
)
AROUND = re.compile(_AROUND)
ENDS_AROUND = re.compile(f"(?:{_AROUND})$")


@dataclass(frozen=True)
class Topic:
    """A topic, its other names, and its facts: role -> facts, each in two wordings."""

    names: tuple[str, ...]
    facts: dict[str, list[list[str]]]

    @property
    def name(self) -> str:
        """The name that goes above the others."""
        return self.names[0]

    def roles(self) -> dict[str, str]:
        """Return the role of every wording."""
        return {
            wording: role
            for role, facts in self.facts.items()
            for fact in facts
            for wording in fact
        }


@functools.lru_cache(maxsize=8)
def find_topic(request: str) -> Topic | None:
    """Return the topic that `request` is about; None when it is about something else.

    A name inside a longer word is no topic: only what commonly stands around one, or another known
    name, may be left over.
    """
    rows = list(_rows())
    names = sorted((name for row in rows for name in row[0]), key=len, reverse=True)
    found = next((name for name in names if name in request), None)
    if found is None:
        return None
    before, after = request.split(found, 1)
    if (before and not ENDS_AROUND.search(before)) or (after and not AROUND.match(after)):
        return None
    rest = request.replace(found, "\n")
    for name in names:
        if len(name) > 1:
            rest = rest.replace(name, "\n")
    if AROUND.sub("", rest).strip():
        return None
    row = next(row for row in rows if found in row[0])
    return Topic(tuple(row[0]), json.loads(row[1]))


def _rows() -> Iterator[tuple[list[str], str]]:
    """Yield (name and aliases, facts as JSON) of every topic."""
    with gzip.open(NOTES, "rt", encoding="utf-8") as lines:
        for line in lines:
            names, facts = line.rstrip("\n").split("\t")
            yield names.split("|"), facts


def plain_pairs() -> frozenset[str]:
    """Return the pairs of characters of sentences that hold of any topic."""
    text = gzip.decompress(PLAIN.read_bytes()).decode("utf-8")
    return frozenset(text[place : place + 2] for place in range(0, len(text), 2))


def choose_facts(topic: Topic, length: int, rng: Random) -> list[str]:
    """Return facts for an article of about `length` characters, one wording each, in an order."""
    middle = list(MIDDLE)
    if rng.random() < 0.5:
        rng.shuffle(middle)
    rows = [(role, fact) for role in (*FIRST, *middle, *LAST) for fact in topic.facts.get(role, [])]
    wanted = max(LEAST_FACTS, round(length / CHARACTERS_A_FACT))
    dropped = rng.sample(rows[1:], max(0, len(rows) - wanted))
    return [rng.choice(fact) for role, fact in rows if (role, fact) not in dropped]


def with_notes(job: Job) -> Job:
    """Return the job with the facts of its topic as material, where there are any.

    A job without a seed gets one, which then decides over facts and text alike.
    """
    if job.template.name not in NOTED_TASKS or job.inputs.text or job.language != "zh":
        return job
    topic = find_topic(job.inputs.topic)
    if topic is None:
        return job
    length = int(job.values.get("length") or 500)
    sampling = {"seed": secrets.randbelow(2**31), **NOTED_SAMPLING, **job.sampling}
    facts = choose_facts(topic, length, Random(sampling["seed"]))
    inputs = replace(job.inputs, text="\n".join(facts))
    return replace(job, inputs=inputs, sampling=sampling)


def needs_help(job: Job) -> bool:
    """Say whether the built-in model writes the job far better with notes, heads or checks."""
    return job.template.name in (*NOTED_TASKS, *KEPT_TASKS, "summary", "poetry") or is_python(job)


def write_helped(job: Job, engine: Engine, how: Reading) -> Iterator[Token]:
    """Yield the text of the job, with the notes that there are, checked as it is written."""
    job = with_notes(job)
    return write(job, engine, how, stream_of(engine))


def stream_of(engine: Engine) -> Stream:
    """Return how the built-in model answers the request of a job: checked as it writes."""

    def stream(job: Job, request: Request, text: str) -> Iterator[Token]:
        if request.form and job.template.name == "poetry":
            yield from on_theme(engine, request, job.inputs.topic)
            return
        is_anew = job.template.long_input == "per_chunk"  # given back, repeats and all
        if request.form or (is_anew and job.template.name not in KEPT_TASKS):
            yield from engine.stream(request)
            return
        plan = plan_of(job, request)
        if plan.head:
            yield Token(text=plan.head)
        seed = request.sampling.seed
        seed = secrets.randbelow(2**31) if seed is None else seed
        for token in redraft(engine, plan.sent, check_of(job, text, plan.stand_in), seed):
            yield replace(token, text=plan.put_back(token.text))

    return stream


def on_theme(engine: Engine, request: Request, theme: str) -> Iterator[Token]:
    """Yield the first poem that has all characters of `theme`, or of a few the one with most.

    A poem takes some hundredths of a second. The same seed gives the same poem, and the engine's
    statistics are those of all. A draw that fails is passed over where another did not.
    """
    seed = request.sampling.seed
    seed = secrets.randbelow(2**31) if seed is None else seed
    wanted = {character for character in theme if character.isalnum()}
    best: list[Token] = []
    most, total = -1, None
    for draw in range(MOST_POEMS):
        sampling = replace(request.sampling, seed=seed + draw)
        try:
            poem = list(engine.stream(replace(request, sampling=sampling, reusable=draw == 0)))
        except EngineError as error:
            if not isinstance(error, ContextError) and (best or draw + 1 < MOST_POEMS):
                continue
            raise
        total = together(total, engine.stats)
        found = len(wanted.intersection("".join(token.text for token in poem)))
        is_cancelled = poem[-1].finish == "cancelled"
        if found > most or is_cancelled:
            best, most = poem, found
        if found == len(wanted) or is_cancelled:
            break
    if total:
        vars(engine.stats).update(vars(replace(total, seed=seed)))
    yield from best


@dataclass(frozen=True)
class Plan:
    """What the built-in model is sent: with a function's head, or a stand-in for `asked`."""

    sent: Request
    head: str = ""
    asked: str = ""
    stand_in: str = ""

    def put_back(self, text: str) -> str:
        """Return the text with the words that were asked for in the place of their stand-in."""
        return text.replace(self.stand_in, self.asked) if self.stand_in else text


def plan_of(job: Job, request: Request) -> Plan:
    """Return how the built-in model is asked for the job."""
    if head := function_head(job):
        return Plan(replace(request, answer=request.answer + head), head)
    asked, stand_in = stand_in_for(job, request)
    sent = renamed(request, asked, stand_in) if stand_in else request
    return Plan(sent, "", asked, stand_in)


def function_head(job: Job) -> str:
    """Return how the program that the job asks for begins, where the model knows it."""
    return head_of(job.inputs.topic) if is_python(job) and not job.inputs.text else ""


def is_python(job: Job) -> bool:
    """Say whether the job is to write Python."""
    language = str(job.values.get("language") or "python")
    return job.template.name == "code" and language.lower() == "python"


def stand_in_for(job: Job, request: Request) -> tuple[str, str]:
    """Return the words that the article's stand-in stands for, and the stand-in; "" for none.

    A small model miscopies names that it has rarely seen. Of a topic without notes it says nothing
    that would not hold of any other, so it writes of one that it can spell.
    """
    topic = job.inputs.topic
    is_bare = job.template.name == "article" and job.language == "zh" and not job.inputs.text
    quoted = sum(message.content.count(f"“{topic}”") for message in request.messages)
    if not is_bare or quoted != 1 or len(topic) > LONGEST_NAME or find_topic(topic):
        return "", ""
    asked = without_how(topic)
    return (asked, STAND_IN if asked == topic else STAND_IN_ACT) if asked else ("", "")


def without_how(topic: str) -> str:
    """Return what is to be done, of a topic that asks how."""
    found = HOW.match(topic)
    return topic[found.end() :] if found else topic


def renamed(request: Request, name: str, stand_in: str) -> Request:
    """Return the request with another name for its topic, in the prompt and in the title."""
    *before, last = request.messages
    quoted, titled = (
        re.compile(f"(?<={ahead})((?:{HOW.pattern})?){re.escape(name)}(?={behind})")
        for ahead, behind in (("“", "”"), ("# ", "\n"))
    )
    last = replace(last, content=quoted.sub(rf"\g<1>{stand_in}", last.content))
    answer = titled.sub(rf"\g<1>{stand_in}", request.answer)
    return replace(request, messages=(*before, last), answer=answer)


def weakness(job: Job) -> str:
    """Return what a reader of the built-in model's answer to `job` should know; "" for nothing.

    `job` is as it was given: without notes.
    """
    name, topic = job.template.name, job.inputs.topic[:40]
    if name == "code":
        return _guess(job, topic)
    if job.language == "en" and name not in ENGLISH_TASKS:
        return say("The built-in model writes Chinese; for English get a larger one: "
                   "`gptwrite models recommend`.",
                   "内置模型只会写中文；要写英文，请换更大的模型：`gptwrite models recommend`。")  # fmt: skip
    if name in NOTED_TASKS and not job.inputs.text:
        found = find_topic(job.inputs.topic)
        if found is None:
            return say(f"The built-in model has no notes on “{topic}”: what it says is general.",
                       f"内置模型没有关于“{topic}”的资料，写的只是泛泛之谈。")  # fmt: skip
        most = sum(len(fact[0]) for facts in found.facts.values() for fact in facts)
        if int(job.values.get("length") or 0) * LEAST_SHARE > most:
            return say(f"The notes on “{topic}” are enough for some {most} characters.",
                       f"关于“{topic}”的资料只够写约 {most} 字。")  # fmt: skip
    if name not in ABLE_TASKS:
        return say(f"The built-in model is poor at `{name}`: a larger one does it well.",
                   f"内置模型不擅长 {name}；更大的模型可以做好。")  # fmt: skip
    return ""


def _guess(job: Job, topic: str) -> str:
    """Return what the code is that the built-in model writes; "" where it is surely what is meant."""
    if not is_python(job) or OTHER_LANGUAGES.search(job.inputs.topic):
        return say("The built-in model writes nothing but Python.", "内置模型只会写 Python。")
    head, nearness = nearest(job.inputs.topic)
    found = re.search(r"(?:def|class) (\w+)", head)
    if job.inputs.text or not found:
        return say(f"The built-in model knows no function for “{topic}”: its code is a guess.",
                   f"内置模型没有学过“{topic}”这样的函数，写的代码只是猜测。")  # fmt: skip
    if nearness < LIKELY:
        return say(f"The built-in model knows no function for “{topic}”: "
                   f"the nearest that it knows is `{found[1]}`.",
                   f"内置模型没有学过“{topic}”这样的函数；它会的最接近的是 `{found[1]}`。")  # fmt: skip
    if nearness < SURE:
        return say(f"The built-in model takes this for `{found[1]}`.",
                   f"内置模型把它当作 `{found[1]}`。")  # fmt: skip
    return ""


def check_of(job: Job, about: str, stand_in: str = "") -> Check:
    """Return what an answer to the job is held to; it is `about` the job's text, or its digest."""
    name, topic, text = job.template.name, job.inputs.topic, job.inputs.text
    if is_python(job):
        return checks.python()
    if name == "article" and job.language == "zh":
        found = find_topic(topic)
        if text:
            names = found.names if found else (topic,)
            roles = found.roles() if found else {}
            audience = str(job.values.get("audience") or "")
            return checks.noted(names, text, roles, plain_pairs(), audience)
        if stand_in:
            return checks.on_the_word(stand_in, plain_pairs())
    if name in KEPT_TASKS:
        return checks.kept(text or topic)
    if name == "summary" and text:
        return checks.backed(about, len(text))
    return Check()
