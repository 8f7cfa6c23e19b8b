"""The door of the room: few names, an example under each, and no file that takes the place of a function."""

from pathlib import Path

from convneur import metrics
from convneur.metrics import masks


def test_the_door_is_small_and_each_name_has_an_example() -> None:
    others = set(metrics.__all__) - set(masks.__all__)
    assert set(masks.__all__) <= set(metrics.__all__)
    assert len(others) <= 20
    for name in metrics.__all__:
        if name != "METRICS":  # a tuple of names
            assert ">>> " in getattr(metrics, name).__doc__, name
    files = {path.stem for path in Path(metrics.__file__).parent.glob("*.py")}
    assert not files & set(metrics.__all__)
