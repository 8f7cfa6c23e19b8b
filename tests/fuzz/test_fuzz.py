"""Damaged input of every kind ends in one line and a code of the contract, in bounded memory, and harms nothing.

What counts as a fault, and the bound, are in `fuzzing.server`. To run a case again and see its files:
`python benchmarks/fuzz.py 1 --kind KIND --seed 18 --start INDEX --keep FOLDER`.
"""

from typing import Any

import pytest
from fuzzing.kinds import KINDS

SEED = 18
# The kinds that train: a case takes seconds where the damage does no harm.
SLOW = {"checkpoint", "model", "recipe", "train state", "study state", "tar", "options"}


def check(fuzzer: Any, kind: str, count: int, start: int = 0) -> None:
    found = list(fuzzer.cases(kind, SEED, count, start))
    assert len(found) == count
    bad = [
        f"{each['index']}: {'; '.join(each['faults'])}\n  {each['arguments']}\n  {each['err'][-300:]}"
        for each in found
        if each["faults"]
    ]
    assert not bad, f"{len(bad)} of {count} cases of {kind}, seed {SEED}:\n" + "\n".join(bad[:5])


@pytest.mark.parametrize("kind", list(KINDS))
def test_damage_is_told_in_one_line(fuzzer: Any, kind: str) -> None:
    check(fuzzer, kind, 4 if kind in SLOW else 20)


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(KINDS))
def test_much_damage_is_told_in_one_line(fuzzer: Any, kind: str) -> None:
    check(fuzzer, kind, 20 if kind in SLOW else 100, start=1000)


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_case_is_the_same_each_time_and_no_two_are(kind: str, fuzzer: Any) -> None:
    from fuzzing.server import case_of

    cases = [case_of(kind, SEED, index, fuzzer.folder) for index in (0, *range(12))]
    assert cases[0] == cases[1]
    assert len({repr(case) for case in cases}) > 8
