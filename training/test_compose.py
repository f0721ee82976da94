"""Tests of the composer: what it writes is what the model will write."""

import json
import lzma
import re
from itertools import islice
from random import Random

import pytest

from training.compose.articles import articles
from training.compose.budget import SHARES, fill
from training.compose.commits import conventional, cut_diff, infer_type
from training.compose.evaluation import evaluation_files
from training.compose.example import open_desk
from training.compose.extract import summarize
from training.compose.names import known_names, read_names
from training.compose.poems import FORMS, poetry, verse_lines
from training.compose.pretrain import cut, heldout_documents, pretrain_documents
from training.compose.repetition import repeated_run, support
from training.compose.sources import CORPUS_FOLDER, Sources
from training.compose.summaries import summaries
from training.compose.unfamiliar import unfamiliar_articles

QUATRAIN = "白日依山尽，黄河入海流。\n欲穷千里目，更上一层楼。"
PARAGRAPH = (
    "小镇的图书馆建成于1950年，最初只有两间屋子。后来居民捐出自己的旧书，馆里的藏书慢慢增加到三万册。"
    "图书馆每天上午九点开门，晚上八点关门，周末也不休息。孩子们喜欢二楼的阅览室，那里有一扇朝南的大窗。"
    "去年馆里添置了十台电脑，老人可以在这里学习上网。馆长姓李，已经在这里工作了二十六年。"
    "每到暑假，图书馆会请作家来讲故事，座位常常不够。镇上的人说，有了这座图书馆，晚上就有了去处。"
)


@pytest.fixture(scope="module")
def open_corpus(tmp_path_factory):
    """A small folder of open text in the form of the real one."""
    folder = tmp_path_factory.mktemp("open")
    poem = {"kind": "poem", "title": "登楼", "author": "王之涣", "dynasty": "唐"}
    files = {
        "poems": [{**poem, "form": "五言绝句", "text": QUATRAIN} for _ in range(30)]
        + [{**poem, "form": "七言绝句", "text": QUATRAIN} for _ in range(5)],
        "wiki_qa": [
            {
                "kind": "qa",
                "title": f"图书馆{n}",
                "text": PARAGRAPH,
                "qa": [["何时建成？", "1950年"]],
            }
            for n in range(40)
        ],
        "commits": [
            {
                "kind": "commit",
                "title": "",
                "source": "a/b",
                "text": f"diff --git a/docs/p{n}.md b/docs/p{n}.md\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-Old\n+Option number {n}",
                "summary": f"Describe option number {n}",
            }
            for n in range(60)
        ],
    }
    for name, records in files.items():
        with lzma.open(folder / f"{name}.jsonl.xz", "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    return folder


@pytest.fixture(scope="module")
def sources(open_corpus):
    return Sources(open_corpus=open_corpus)


@pytest.fixture(scope="module")
def desk():
    return open_desk()


@pytest.mark.parametrize("name", SHARES)
def test_the_same_seed_composes_the_same_examples(name, open_corpus, desk):
    first = fill(name, Sources(open_corpus=open_corpus), desk, seed=7, scale=0.002)
    second = fill(name, Sources(open_corpus=open_corpus), desk, seed=7, scale=0.002)
    assert [item.record() for item in first] == [item.record() for item in second]


@pytest.mark.parametrize("family", [articles, unfamiliar_articles])
def test_no_article_holds_a_run_of_twelve_characters_twice(family, sources, desk):
    for example in islice(family(sources, desk, Random(3)), 800):
        assert repeated_run(example.answer) is None, example.answer


def test_articles_name_their_topic_in_the_first_sentence(sources, desk):
    for example in islice(articles(sources, desk, Random(4)), 600):
        topic = next(item for item in sources.topics if item.name == example.notes["name"])
        body = (
            example.answer.split("\n\n", 1)[1]
            if example.answer.startswith("# ")
            else example.answer
        )
        lines = [line for line in body.split("\n") if line and not line.startswith("#")]
        first = re.split("[。！？；]", "".join(lines))[0]
        assert any(name in first for name in (topic.name, *topic.aliases)), example.answer


def test_articles_end_with_a_closed_sentence(sources, desk):
    for example in islice(articles(sources, desk, Random(5)), 400):
        assert example.answer.rstrip()[-1] in "。！？”）", example.answer


def test_articles_begin_with_what_the_template_writes(sources, desk):
    for example in islice(articles(sources, desk, Random(6)), 200):
        assert example.answer.startswith(example.notes["start"])


def test_unfamiliar_articles_stay_on_the_word(sources, desk):
    for example in islice(unfamiliar_articles(sources, desk, Random(8)), 400):
        assert example.answer.count(example.notes["name"]) >= 3, example.answer


def test_unfamiliar_names_are_neither_taught_nor_held_out(sources):
    barred = known_names(sources) | set(sources.patterns("names")["held_out"])
    names = {name.title for pool in read_names(sources).values() for name in pool}
    assert not names & barred


def test_summaries_are_short_and_keep_to_the_words_of_the_text(sources, desk):
    for example in islice(summaries(sources, desk, Random(9)), 300):
        text = example.messages[-1]["content"].split("\n\n", 1)[1]
        assert len(example.answer) <= 0.38 * len(text)
        assert support(example.answer, text) >= 0.6


@pytest.mark.parametrize("style", ["one-line", "paragraph", "bullets"])
def test_a_summary_picks_sentences_of_the_text(style):
    answer = summarize(PARAGRAPH, style, Random(1))
    assert answer and support(answer, PARAGRAPH) > 0.95
    assert answer.count("- ") == (0 if style != "bullets" else answer.count("\n") + 1)


def test_poems_have_the_lines_of_their_form(sources, desk):
    made = [poem for poem in islice(poetry(sources, desk, Random(2)), 40) if "form" in poem.notes]
    assert made  # free verse has no form
    for example in made:
        _, count, width = FORMS[example.notes["form"]]
        lines = verse_lines(example.answer)
        assert [len(line) for line in lines] == [width] * count


def test_a_poem_that_does_not_fit_its_form_is_left_out(sources, desk):
    made = islice(poetry(sources, desk, Random(2)), 40)
    assert all(example.notes.get("form", "五绝") == "五绝" for example in made)


@pytest.mark.parametrize(
    ("paths", "subject", "kind"),
    [
        (["README.md"], "Fix the heading", "docs"),
        ([".github/workflows/ci.yml"], "Add python 3.12", "ci"),
        (["tests/test_a.py"], "Fix flaky test", "test"),
        (["setup.cfg"], "Drop python 3.7", "build"),
        (["app/core.py"], "Fix crash on empty input", "fix"),
        (["app/core.py"], "Add a retry option", "feat"),
        (["app/core.py"], "Rename the parser", "refactor"),
        (["app/core.py"], "Version bump", "chore"),
    ],
)
def test_the_type_of_a_commit_comes_from_paths_and_words(paths, subject, kind):
    assert infer_type(paths, subject) == kind


@pytest.mark.parametrize(
    ("subject", "message"),
    [
        ("Fix crash on empty input (#12)", "fix(core): fix crash on empty input"),
        ("feat(api): add paging.", "feat(api): add paging"),
        ("修复空输入时的崩溃", "fix(core): 修复空输入时的崩溃"),
        ("wip", None),
    ],
)
def test_subjects_become_conventional(subject, message):
    assert conventional(subject, ["app/core.py"]) == message


def test_a_diff_is_cut_before_a_hunk():
    hunk = "@@ -1 +1 @@\n" + "+line\n" * 40
    diff = "diff --git a/x b/x\n--- a/x\n+++ b/x\n" + hunk * 4
    short = cut_diff(diff, 600)
    assert len(short) <= 600
    assert short.endswith("+line")
    assert short.count("@@ -1") == 2


def test_every_template_is_covered_or_waits_for_its_file(sources, desk):
    made = set()
    rng = Random(1)
    for _, family in SHARES.values():
        made |= {example.task for example in islice(family(sources, desk, rng), 3)}
    files = {
        "story": "stories",
        "news": "news",
        "email": "emails",
        "polish": "polish",
        "translate": "translate",
        "poetry": "verse",
    }
    waiting = {task for task, name in files.items() if not sources.tasks(name)}
    assert made | waiting == set(desk.prompts)


def test_held_out_text_is_not_trained_on(sources):
    trained = {item["text"] for item in pretrain_documents(sources, seed=1, scale=1.0)}
    commits = [
        item["text"] for item in heldout_documents(sources, seed=1) if item["kind"] == "commits"
    ]
    assert commits and not trained & set(commits)


def test_documents_are_cut_at_line_ends():
    text = "\n".join("字" * 400 + "。" for _ in range(9))
    pieces = list(cut(text))
    assert all(len(piece) <= 1500 for piece in pieces)
    assert "\n".join(pieces) == text


def test_code_requests_of_evaluation_differ_from_training():
    sources = Sources()
    functions = {record["name"]: record for record in sources.functions}
    rows = sources.tasks("code_eval")
    assert len(rows) == 100
    for row in rows:
        record = functions.get(row["name"])
        if record:
            assert row["request"] not in record["zh"] + record["en"]


def test_evaluation_prompts_are_complete(sources, desk):
    files = evaluation_files(sources, desk, seed=1)
    assert len(files["articles_taught"]) == 60
    assert len(files["articles_untaught"]) == 20
    for records in files.values():
        for record in records:
            assert {"task", "messages", "start"} <= set(record)


def test_patterns_are_read_from_the_corpus_folder():
    assert (CORPUS_FOLDER / "patterns" / "articles.yaml").exists()
