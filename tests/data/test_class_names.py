"""Lists of classes as labelling tools and data sets write them."""

import unicodedata
from pathlib import Path

import pytest

from convneur.data.class_names import read_class_names
from convneur.errors import InputError

TWO = ["road", "sky"]


def read(folder: Path, name: str, text: str) -> list[str]:
    (folder / name).write_text(text, encoding="utf-8", newline="")
    return read_class_names(folder / name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "road\nsky\n"),
        ("bom.txt", "\ufeffroad\r\nsky\r\n\r\n"),
        ("comment.txt", "# my classes\nroad\nsky"),
        ("labelme.txt", "__ignore__\nroad\nsky\n"),
        ("last.txt", "road\nsky\n__ignore__\n"),
        ("_classes.csv", "Pixel Value, Class\n0, road\n1, sky\n"),
        ("numbers.txt", "0: road\n\n1: sky\n"),
        ("turned.txt", "1: sky\n0: road\n"),
        ("tabs.txt", "0\troad\r\n1\tsky\r\n"),
        ("blanks.txt", "0 road\n1 sky\n"),
        ("behind.csv", "name,id\nroad,0\nsky,1\n"),
        ("behind.txt", "road\t0\nsky\t1\n"),
        ("negative.txt", "-1: __ignore__\n0: road\n1: sky\n"),
        ("void.txt", "0: road\n1: sky\n255: void\n"),
        ("binary.txt", "0: road\n255: sky\n"),
        ("labelmap.txt", "# label:color_rgb:parts:actions\nroad:128,64,128::\nsky:0,0,0::\n"),
        ("camvid.txt", "128 64 128\troad\n0 0 0\tVoid\n1 2 3\tsky\n"),
        ("class_dict.csv", "name,r,g,b\nroad,128,64,128\nsky,0,0,0\n"),
        ("table.csv", "id;name;r;g;b\n1;sky;0;0;0\n0;road;1;2;3\n"),
        ("cells.csv", '0,"road",1,2,3\n1,"sky",4,5,6\n'),
        ("frame.csv", ",name\n0,road\n1,sky\n"),
        ("heading.txt", "Classes\nroad\nsky\n"),
        ("line.txt", "road, sky\n"),
        ("list.json", '["road", "sky"]'),
        ("number.json", '{"0": "road", "1": "sky"}'),
        ("dataset.json", '{"labels": {"road": 0, "sky": 1}, "file_ending": ".png"}'),
        ("config.json", '{"id2label": {"0": "road", "1": "sky"}}'),
        ("notes.json", '{"categories": [{"id": 0, "name": "road"}, {"id": 1, "name": "sky"}], "info": {}}'),
        ("machine.json", '{"sky": [1, 1, 1], "road": [0, 0, 0]}'),
        ("data.yaml", "path: x\nnames:\n  0: road\n  1: sky\nnc: 2\n"),
        ("short.yml", "names: [road, sky]\n"),
        ("dashes.txt", "- road\n- sky\n"),
    ],
)
def test_a_list_is_read_as_it_is_meant(tmp_path: Path, name: str, text: str) -> None:
    assert read(tmp_path, name, text) == TWO


def test_names_keep_what_looks_like_a_mark(tmp_path: Path) -> None:
    assert read(tmp_path, "a.txt", "door, double\nsky\n") == ["door, double", "sky"]
    assert read(tmp_path, "a.csv", '0,"door, double"\n1,sky\n') == ["door, double", "sky"]
    assert read(tmp_path, "a.yaml", "names: {0: no, 1: 2.50}") == ["no", "2.50"]
    assert read(tmp_path, "b.txt", "0\n1\n2\n") == ["0", "1", "2"]
    assert read(tmp_path, "c.txt", unicodedata.normalize("NFD", "café\nsky")) == ["café", "sky"]


def test_numbers_without_a_name_are_named_as_themselves(tmp_path: Path) -> None:
    assert read(tmp_path, "a.txt", "1: road\n3: sky\n") == ["0", "road", "2", "sky"]
    ade = "Idx\tRatio\tTrain\tName\n1\t0.15\t11664\twall\n2\t0.1\t6046\tbuilding, edifice\n"
    assert read(tmp_path, "ade.txt", ade) == ["0", "wall", "building, edifice"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.txt", "\n\n", "is empty"),
        ("a.txt", "road\n\nsky\n", "line 2 is empty"),
        ("a.txt", "road\nsky\nroad\n", "line 3 is a repetition: road stands in line 1"),
        ("a.txt", "0: road\n0: sky\n", "line 2: sky has the number 0, as road has"),
        ("a.txt", "0: road\n1: sky\ntree\n", "line 3: 'tree' has no number"),
        ("a.txt", "0: road\n300000000: sky\n", "above 65535"),
        ("a.txt", "class\nroad\nsky\n", "line 1: 'class' may be a heading or a class.*such as 0: road"),
        ("a.txt", "road\n__ignore__\nsky\n", "line 2: __ignore__ stands in the first line"),
        ("a.txt", "item {\n  id: 1\n}\n", "is no list of classes"),
        ("a.xml", "<View><Label/></View>", "is no list of classes"),
        ("a.json", "{", "is no JSON"),
        ("a.yaml", "a: [", "is no YAML"),
        ("a.json", '{"labels": {"whole": [1, 2]}}', "is no list of classes"),
        ("cvat.json", '[{"name": "car", "id": 7, "color": "#f00", "attributes": []}]', "is no list of classes"),
        ("meta.json", '{"classes": [{"title": "car", "shape": "any", "id": 3}]}', "is no list of classes"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read(tmp_path, name, text)


@pytest.mark.parametrize(("name", "text"), [("a.json", "["), ("a.yaml", "road"), ("a.yml", "a: ["), ("a.txt", "{}")])
def test_the_form_that_is_advised_is_read(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(InputError) as refused:
        read(tmp_path, name, text)
    advised = refused.value.problem.partition("such as ")[2]
    assert read(tmp_path, name, advised) == ["road", "sky"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.txt", f"0: road\n{'9' * 5000}: sky\n", "line 2: a number of 5000 digits, above 65535"),
        ("a.txt", f"road, 0\nsky, {'9' * 5000}\n", "line 2: a number of 5000 digits"),
        ("a.csv", f"id,name,r\n{'9' * 5000},road,1\n", "line 2: a number of 5000 digits"),
        ("a.json", f'{{"road": {"9" * 5000}}}', "holds a number of thousands of digits"),
        ("a.csv", f"{'x' * 200_000},road\n", "line 1 has 200005 characters"),
        ("a.json", '["road", "\\ud800"]', "entry 2 holds half a character"),
        ("a.yaml", 'names: ["road", "\\ud800"]', "entry 2 holds half a character"),
    ],
)
def test_absurd_numbers_lines_and_halves_of_characters_are_refused_by_line(
    name: str, text: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"{name}: {said}.*; (write|number) "):
        read(tmp_path, name, text)
