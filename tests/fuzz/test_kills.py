"""Commands killed before a random change of a file, then gone on with: the same result, and nothing left over."""

from typing import Any

import pytest
from fuzzing.kinds import KILLED

SEED = 18


def check(fuzzer: Any, command: str, count: int, seed: int = SEED) -> None:
    found = list(fuzzer.cases(f"kill {command}", seed, count))
    assert len(found) == count
    assert not [(each["arguments"], each["faults"], each["err"][-300:]) for each in found if each["faults"]]


@pytest.mark.parametrize("command", ["eval-boundary", "predict"])
def test_a_killed_command_gives_what_it_would_have(fuzzer: Any, command: str) -> None:
    check(fuzzer, command, 4)


@pytest.mark.slow
@pytest.mark.parametrize("command", list(KILLED))
def test_commands_killed_at_many_moments_give_what_they_would_have(fuzzer: Any, command: str) -> None:
    check(fuzzer, command, 6, seed=SEED + 1)
