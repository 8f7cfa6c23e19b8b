"""What the README shows runs, in the folder that `convneur demo` writes."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import convneur

README = Path(__file__).parents[1] / "README.md"
SAMPLES = Path(convneur.__file__).parent / "data" / "samples"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def demo_folder(tmp_path: Path) -> Path:
    shutil.copytree(SAMPLES, tmp_path, dirs_exist_ok=True)
    return tmp_path


def fitted(block: str) -> str:
    """The block with what would take minutes, or another package, made small."""
    block = block.replace("minutes=5", "epochs=0.1, batch=2, crop=64, workers=0")
    return block.replace("from torchvision.models import resnet50", "from torch.nn import Identity as resnet50")


def test_the_readme_shows_python() -> None:
    assert len(BLOCKS) == 5


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_a_block_of_the_readme_runs(block: str, demo_folder: Path) -> None:
    (demo_folder / "program.py").write_text(fitted(block), encoding="utf-8")
    command = [sys.executable, "program.py"]
    done = subprocess.run(command, cwd=demo_folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
