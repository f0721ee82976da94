"""The nouns of the composer: an example to tune on and the place where examples are made."""

from dataclasses import dataclass, field
from random import Random

from training.prompts import Prompt, read_prompts, render


@dataclass(frozen=True)
class Example:
    """A chat and its whole answer, the beginning that the template writes included."""

    task: str
    messages: list
    answer: str
    notes: dict = field(default_factory=dict)

    def characters(self) -> int:
        """Returns the characters of the messages and the answer together."""
        return sum(len(message["content"]) for message in self.messages) + len(self.answer)

    def record(self) -> dict:
        """Returns the line of tune.jsonl."""
        return {"task": self.task, "messages": self.messages, "answer": self.answer}


@dataclass(frozen=True)
class Desk:
    """What every family needs to make examples: the templates."""

    prompts: dict[str, Prompt]

    def example(
        self,
        task: str,
        language: str,
        answer: str,
        /,
        topic: str = "",
        text: str = "",
        notes: dict | None = None,
        **chosen: object,
    ) -> Example:
        """Returns an example whose answer is the template's beginning and then `answer`."""
        messages, start = render(self.prompts[task], language, topic, text, **chosen)
        return Example(task, messages, start + answer, {"start": start, **(notes or {})})


def open_desk() -> Desk:
    """Returns a desk with the templates of the project."""
    return Desk(read_prompts())


def mostly(rng: Random, usual: str, other: str, chance: float) -> str:
    """Returns `other` with the given chance and `usual` otherwise."""
    return other if rng.random() < chance else usual
