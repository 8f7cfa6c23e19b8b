"""`import convneur` is enough: rooms and names are attributes that load when they are used."""

import subprocess
import sys
from pathlib import Path

import pytest

import convneur

PARTS = {"data", "layers", "model"}  # what rooms are made of; their names are the package's own
ROOMS = sorted({path.parent.name for path in Path(convneur.__file__).parent.glob("*/__init__.py")} - PARTS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_is_an_attribute(room: str) -> None:
    code = f"import convneur; assert '{room}' in dir(convneur); assert convneur.{room}.__name__ == 'convneur.{room}'"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_progress_is_an_attribute() -> None:
    subprocess.run([sys.executable, "-c", "import convneur; convneur.progress.ProgressLines()"], check=True)


def test_importing_convneur_loads_no_room() -> None:
    code = "import sys, convneur; assert not [name for name in sys.modules if name.startswith('convneur.')]"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_load_is_the_inference_rooms() -> None:
    assert convneur.load is convneur.inference.load
