"""Hides keys, tokens and passwords in a text before any model sees it.

What is hidden is the value; the name before it stays, so that a message can still say what changed.
Better one harmless value hidden than one secret shown.
"""

from __future__ import annotations

import math
import re
from collections import Counter

MASK = "[masked]"

# Shapes that their issuers document; each is a secret wherever it stands.
KNOWN = re.compile(
    r"""
    \b(?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{12,}\b            # AWS
  | \bAIza[\w-]{30,}                                         # Google
  | \bya29\.[\w-]{20,}
  | \bgh[pousr]_\w{20,} | \bgithub_pat_\w{20,}               # GitHub
  | \bgl(?:pat|dt|rt|cbt|ptt|ft|soat)-[\w-]{15,}             # GitLab
  | \bxox[abeoprs]-[\w-]{8,}                                 # Slack
  | \bsk-(?:[a-z]+-)*[A-Za-z0-9_-]{16,}                      # OpenAI, Anthropic
  | \b[sr]k_(?:live|test)_\w{10,} | \bwhsec_\w{10,}          # Stripe
  | \bhf_[A-Za-z0-9]{20,}                                    # Hugging Face
  | \bnpm_[A-Za-z0-9]{20,} | \bpypi-[\w-]{20,}
  | \bdop_v1_[a-f0-9]{20,} | \bSG\.[\w-]{10,}\.[\w-]{10,}
  | \bLTAI[A-Za-z0-9]{12,} | \bAKID[A-Za-z0-9]{13,}          # Alibaba, Tencent
  | \beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?                   # JSON Web Token
    """,
    re.X,
)
NAMES = (
    r"(?:pass(?:word|wd|phrase)?|pwd|secret|token(?!s|i[sz])|api[_-]?key|access[_-]?key|private[_-]?key|"
    r"auth[_-]?key|client[_-]?secret|credentials?|encryption[_-]?key|signing[_-]?key|密码|密钥|口令|令牌)"
)
# A name that says so, then `=`, `:` or `=>`, then a value of more than three characters; a call is no value.
NAMED = re.compile(
    rf"""(?P<head>{NAMES}[\w.-]*["']?\s*(?:=>|:=|=|:|：)\s*)"""
    r"""(?P<value>"[^"]{4,}"|'[^']{4,}'|`[^`]{4,}`|[^\s"'`,;(){}\[\]<>$]{4,}(?=[\s"'`,;){}\]<>$]|$))""",
    re.I,
)
BEARER = re.compile(r"(?P<head>\b(?:Bearer|Basic|Token)\s+)(?P<value>[\w.~+/=-]{8,})", re.I)
IN_ADDRESS = re.compile(
    r"(?P<head>\b[a-z][a-z0-9+.-]{0,20}://[^\s/:@]*:)(?P<value>[^\s/@]+)(?=@)", re.I
)
BLOCK_BEGIN = re.compile(r"-----BEGIN [A-Z ]*(?:PRIVATE KEY|PGP MESSAGE)")
BLOCK_END = re.compile(r"-----END [A-Z ]*-----")
LONG_WORD = re.compile(r"[A-Za-z0-9+/_=-]{24,}")
CODE_VALUE = re.compile(
    r"^(?:None|null|nil|true|false|undefined|string|str|bytes|int|bool)\b|^\w+\.\w+", re.I
)
LEAST_ENTROPY = 4.0  # bits a character; identifiers and paths stay below
ENVIRONMENT_LINE = re.compile(
    r"^(?P<head>[+\- ]?\s*(?:export\s+)?[A-Za-z_]\w*\s*=\s*)(?P<value>\S.*)$"
)


def mask(text: str, is_environment_file: bool = False) -> str:
    """Return `text`, which may be a diff, with what looks like a secret replaced.

    `is_environment_file` hides every value, as in `.env` files.
    """
    lines = []
    in_block = False
    for line in text.split("\n"):
        if in_block:
            if BLOCK_END.search(line):
                in_block = False
            continue
        begin = BLOCK_BEGIN.search(line)
        if begin:
            in_block = not BLOCK_END.search(line, begin.end())
            lines.append(line[: begin.start()] + MASK)
        else:
            lines.append(_mask_line(line, is_environment_file))
    return "\n".join(lines)


def _mask_line(line: str, is_environment_file: bool) -> str:
    if len(line) < 8:
        return line
    if is_environment_file and not line.startswith(("+++", "---")):
        return ENVIRONMENT_LINE.sub(rf"\g<head>{MASK}", line)
    line = KNOWN.sub(MASK, line)
    line = IN_ADDRESS.sub(rf"\g<head>{MASK}", line)
    line = BEARER.sub(rf"\g<head>{MASK}", line)
    line = NAMED.sub(_mask_named, line)
    return LONG_WORD.sub(_mask_random, line)


def _mask_named(match: re.Match[str]) -> str:
    value = match["value"]
    bare = value.strip("\"'`")
    is_quoted = bare != value
    if bare == MASK or MASK in bare or (not is_quoted and CODE_VALUE.match(bare)):
        return match[0]
    return match["head"] + (value[0] + MASK + value[-1] if is_quoted else MASK)


def _mask_random(match: re.Match[str]) -> str:
    """Mask a long word of letters of both cases and digits that no person would write."""
    word = match[0]
    mixed = any(c.isdigit() for c in word) and any(c.islower() for c in word)
    mixed = mixed and any(c.isupper() for c in word)
    return MASK if mixed and entropy(word) >= LEAST_ENTROPY else word


def entropy(word: str) -> float:
    """Return the entropy of the letters of `word`, in bits a character."""
    counts = Counter(word)
    return -sum(n / len(word) * math.log2(n / len(word)) for n in counts.values())
