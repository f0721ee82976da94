"""Which words of a subject may stand: common ones, and the diff's own."""

from __future__ import annotations

import pytest

from gptwrite.grounding import is_grounded, known_of

DIFF = """\
diff --git a/server/retryPolicy.py b/server/retryPolicy.py
-    wait = 5
+    wait = timeout_seconds * 2  # 指数退避
"""


@pytest.mark.parametrize(
    ("subject", "grounded"),
    [
        ("double the timeout", False),  # not the diff's word
        ("use timeout_seconds for the wait", True),
        ("change retry policies", True),
        ("add absitive snot between tests", False),
        ("fix the tests", False),  # nothing of the diff
        ("update wait to wait and wait", False),
        ("为等待增加指数退避", False),
        ("增加指数退避", True),
        ("修复错误", False),
        ("use timeout_seconds for 3 waits", False),
        ("", False),
    ],
)
def test_a_subject_is_made_of_common_words_and_of_the_diffs(subject: str, grounded: bool) -> None:
    assert is_grounded(subject, known_of(DIFF)) is grounded
