"""What stands where a file should, read as an image, a label map, a mask or weights."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convneur.checkpoints import load_checkpoint
from convneur.data.images import read_photo
from convneur.data.labels import read_label_map
from convneur.data.masks import read_mask
from convneur.data.palettes import palette_of
from convneur.data.shards import samples
from convneur.data.stacks import pages_of
from convneur.errors import InputError
from convneur.inference import load
from convneur.stand_ins import stand_in

LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LFS, "Git LFS, .*git lfs pull"),
        ("/annex/objects/SHA256E-s9--1f.png\n", "git-annex, .*git annex get"),
        ("../store/cat", "a link to ../store/cat; put the file"),
    ],
)
def test_each_reader_names_what_stands_for_its_file(tmp_path: Path, text: str, said: str) -> None:
    for name, read in (
        ("cat.jpg", read_photo),
        ("cat.png", read_label_map),
        ("cat.npy", read_mask),
        ("cat.safetensors", load_checkpoint),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match=rf"{name}: is .*{said}"):
            read(tmp_path / name)


def test_no_reader_waits_for_a_pipe(tmp_path: Path) -> None:
    """Opening one that nobody writes to would never return."""
    for name, read in (
        ("cat.jpg", read_photo),
        ("cat.tif", read_label_map),
        ("cat.npy", read_mask),
        ("cat.safetensors", load_checkpoint),
        ("cat.onnx", load),
        ("train.tar", lambda path: list(samples(path))),
    ):
        os.mkfifo(tmp_path / name)
        with pytest.raises(InputError, match=rf"{name}: is no file but a pipe or a device"):
            read(tmp_path / name)
    assert pages_of(tmp_path / "cat.tif") == ()
    assert palette_of(tmp_path / "cat.tif") is None


def test_small_files_are_themselves(tmp_path: Path) -> None:
    for name in ("dot.png", "dot.gif", "dot.bmp", "dot.ppm", "dot.tif"):
        Image.fromarray(np.zeros((2, 2), np.uint8)).save(tmp_path / name)
        assert stand_in(tmp_path / name) is None
    (tmp_path / "text.ppm").write_text("P2\n2 2\n255\n0 1 2 3\n")
    assert stand_in(tmp_path / "text.ppm") is None
    (tmp_path / "linked.png").symlink_to("dot.png")
    assert stand_in(tmp_path / "linked.png") is None
    assert stand_in(tmp_path / "none.png") is stand_in(tmp_path) is None
