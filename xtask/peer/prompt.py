"""The prompt that our own measurement uses, and the sizes of groups as the command line has them."""

import json
from pathlib import Path

GREEDY = Path(__file__).resolve().parents[2] / "fixtures/vectors/smollm2/greedy.json"


def prompt(count: int) -> list[int]:
    """The first tokens of the recorded prompts and continuations, one after another, as often as needed."""
    cases = json.loads(GREEDY.read_text())["cases"]
    tokens = [token for case in cases for token in case["prompt"] + case["continuation"]]
    return (tokens * (count // len(tokens) + 1))[:count]


def groups(text: str) -> list[tuple[int, int]]:
    """`16x128,1x48`: rows and new tokens of each."""
    return [tuple(int(number) for number in group.split("x")) for group in text.split(",")]
