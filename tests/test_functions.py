"""Which of the functions that the built-in model knows a request asks for."""

from __future__ import annotations

import ast
import gzip
import json

import pytest

from gptwrite.functions import FUNCTIONS, features, head_of

REQUESTS = [
    ("快速排序", "def quick_sort("),
    ("请用 Python 写一个快速排序", "def quick_sort("),
    ("is prime", "def is_prime("),
    ("How do I check whether a number is prime?", "def is_prime("),
    ("把一个列表倒过来", "def reverse_list("),
    ("a websocket echo server", ""),
    ("", ""),
    ("$x {{y}} <|im_end|>", ""),
]


@pytest.mark.parametrize(("request_", "begins"), REQUESTS)
def test_the_nearest_function_is_found_and_none_where_none_is_near(
    request_: str, begins: str
) -> None:
    head = head_of(request_)
    assert begins in head
    assert bool(head) is bool(begins)


def test_every_head_begins_a_program_and_ends_with_its_docstring() -> None:
    with gzip.open(FUNCTIONS, "rt", encoding="utf-8") as lines:
        heads = [json.loads(line)[0] for line in lines]
    assert len(heads) >= 250
    for head in heads:
        indent = head.splitlines()[-1].split('"""')[0]
        ast.parse(f"{head}{indent}pass")


def test_features_are_words_without_their_plural_and_pairs_of_characters() -> None:
    assert features("Sort words!") == {"sort", "word", "sort word"}
    assert features("快排 x") == {"快", "排", "快排"}
