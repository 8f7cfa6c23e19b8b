"""Which id of an annotation file an image has."""

import json
from pathlib import Path

import pytest

from convneur.errors import ConfigError
from convneur.inference.object_folder import _ids


def annotations(folder: Path, *names: str) -> Path:
    images = [{"id": k, "file_name": name, "height": 4, "width": 4} for k, name in enumerate(names, start=1)]
    path = folder / "images.json"
    path.write_text(json.dumps({"images": images, "annotations": [], "categories": [{"id": 1, "name": "cell"}]}))
    return path


@pytest.mark.parametrize(
    ("asked", "named", "ids"),
    [
        ({"a": "a.jpg"}, ("a.jpg", "a.png"), {"a": 1}),
        ({"a": "a.png"}, ("a.jpg", "a.png"), {"a": 2}),
        ({"a.jpg": "a.jpg", "a.png": "a.png"}, ("a.jpg", "a.png"), {"a.jpg": 1, "a.png": 2}),
        ({"a": "a.png"}, ("b.jpg", "a.jpg"), {"a": 2}),  # saved in another format since
        ({"deep/a": "deep/a.png"}, ("a.png", "deep/a.png"), {"deep/a": 2}),
    ],
)
def test_an_image_has_the_id_of_its_own_file(
    asked: dict[str, str], named: tuple[str, ...], ids: dict[str, int], tmp_path: Path
) -> None:
    given = {name: Path(path) for name, path in asked.items()}
    assert _ids(given, annotations(tmp_path, *named), 1 << 20) == ids


def test_images_whose_id_cannot_be_told(tmp_path: Path) -> None:
    path = annotations(tmp_path, "a.jpg", "a.png")
    with pytest.raises(ConfigError, match=r"has 2 images a, and none is a\.tif; name it as in the folder"):
        _ids({"a": Path("a.tif")}, path, 1 << 20)
    with pytest.raises(ConfigError, match=r"has no image ab \(the nearest is a\); leave it out"):
        _ids({"ab": Path("ab.jpg")}, path, 1 << 20)
