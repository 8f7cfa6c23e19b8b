"""What docs/elsewhere.md shows of timm and Hugging Face runs, in the folder that `convneur demo` writes."""

import re
from pathlib import Path
from typing import Any

import pytest

from convneur.packaged import write_samples

PAGE = Path(__file__).parents[2] / "docs" / "elsewhere.md"
SECTIONS = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]


def blocks(title: str) -> list[str]:
    (section,) = (each for each in SECTIONS if each.startswith(title))
    return re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("title", "count"), [("timm", 2), ("Hugging Face", 2)])
@pytest.mark.filterwarnings("ignore")  # of other libraries, which a reader sees too
def test_a_section_runs(title: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers", reason="pip install transformers")
    write_samples(tmp_path)
    monkeypatch.chdir(tmp_path)
    found = blocks(title)
    assert len(found) == count
    names: dict[str, Any] = {}
    for block in found:
        exec(block, names)
    if title == "timm":
        assert [level.shape[1:] for level in names["levels"]] == [(80, 45, 60), (160, 23, 30), (320, 12, 15)]
        assert names["model"].num_classes == 10
    else:
        assert names["labels"].ndim == 2
        assert names["logits"].shape == (1, 11, 256, 320)
