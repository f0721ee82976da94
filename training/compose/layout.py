"""Lays out the sentences of an article: paragraphs, sections with headings, lists.

Takes the sentences by role in their order; adds leads and joins; knows nothing of topics.
"""

from dataclasses import dataclass
from random import Random

from training.compose.wording import join, joinable, lead_in, starts_with_any

# Which roles may share a section with the first role in it, so that the heading stays true.
SHARED_SECTION = {
    "definition": ("background", "mechanism"),
    "background": (),
    "mechanism": ("example", "misconception"),
    "example": ("impact", "misconception"),
    "impact": ("misconception", "example"),
    "misconception": (),
    "action": ("outlook",),
    "outlook": ("action",),
}


@dataclass(frozen=True)
class Group:
    """The sentences of one role, in order."""

    role: str
    sentences: list[str]


def paragraphs(groups: list[Group], tables: dict, rng: Random, listed: str = "") -> list[str]:
    """Returns paragraphs of two to five sentences; the role `listed` becomes a list."""
    blocks, current = [], []
    target = rng.choice([2, 3, 3, 4, 4, 5])
    for index, group in enumerate(groups):
        if group.role == listed and len(group.sentences) > 1:
            intro = rng.choice(tables["list_intros"][group.role])
            if current:
                blocks.append("".join(current))
            blocks.append(intro)
            blocks.append(bullets(group.sentences, rng))
            current = []
            continue
        if current and len(current) + len(group.sentences) > target:
            blocks.append("".join(current))
            current = []
            target = rng.choice([2, 3, 3, 4, 4, 5])
        current += connect(group, tables, rng, led=index > 0)
    if current:
        blocks.append("".join(current))
    return blocks


def bullets(sentences: list[str], rng: Random) -> str:
    """Returns a list of the sentences, with dashes or numbers."""
    if rng.random() < 0.3:
        return "\n".join(f"{number}. {line}" for number, line in enumerate(sentences, 1))
    return "\n".join(f"- {line}" for line in sentences)


def connect(group: Group, tables: dict, rng: Random, led: bool) -> list[str]:
    """Returns the sentences of a role with a lead, additions and joins here and there."""
    barred = tables["no_lead_before"] + tables["additions"]
    done: list[str] = []
    for sentence in group.sentences:
        if done and joinable(done[-1], sentence) and rng.random() < 0.25:
            mark = rng.choice(tables["joins"])
            if starts_with_any(sentence, barred):
                mark = "；"
            done[-1] = join(done[-1], sentence, mark)
        elif done and not starts_with_any(sentence, barred) and rng.random() < 0.14:
            done.append(rng.choice(tables["additions"]) + sentence)
        elif not done and led and group.role in tables["leads"] and rng.random() < 0.3:
            done.append(lead_in(rng.choice(tables["leads"][group.role]), sentence, barred))
        else:
            done.append(sentence)
    return done


def sections(
    groups: list[Group],
    name: str,
    noun: bool,
    title: str,
    tables: dict,
    rng: Random,
    listed: str = "",
) -> list[str]:
    """Returns blocks with `## ` headings; neighbouring roles share a section now and then."""
    blocks: list[str] = []
    used = {title}
    parts: list[list[Group]] = []
    wanted = rng.choice([2, 3, 3, 4, 5])
    for group in groups:
        size = sum(len(item.sentences) for item in parts[-1]) if parts else 0
        shared = parts and group.role in SHARED_SECTION[parts[-1][0].role]
        if shared and size + len(group.sentences) <= wanted:
            parts[-1].append(group)
        else:
            parts.append([group])
    for number, part in enumerate(parts):
        if number:  # the first part stands below the title itself
            heading = draw_heading(part[0].role, name, noun, used, tables, rng)
            blocks.append(f"## {heading}")
        blocks += paragraphs(part, tables, rng, listed)
    return blocks


def draw_heading(
    role: str, name: str, noun: bool, used: set[str], tables: dict, rng: Random
) -> str:
    """Returns a heading for a role that was not used yet, with the name in it at times."""
    choices = list(tables["headings"][role])
    if noun:
        choices += [row.format(name=name) for row in tables["noun_headings"][role]]
    fresh = [choice for choice in choices if choice not in used] or choices
    heading = rng.choice(fresh)
    used.add(heading)
    return heading
