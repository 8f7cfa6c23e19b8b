"""`convneur eval-boundary` of sequences and of panoptic maps: its contract."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def run(command: Any) -> Any:
    return command("eval-boundary")


@pytest.fixture
def sequences(tmp_path: Path) -> tuple[str, str]:
    """Predictions and ground truth of two sequences of four frames."""
    gt = np.zeros((20, 30), np.uint8)
    gt[4:14, 4:14], gt[8:18, 18:28] = 1, 2
    for side, shift in (("pred", 1), ("gt", 0)):
        for name in ("walk", "run"):
            (tmp_path / side / name).mkdir(parents=True)
            for number in range(4):
                labels = np.roll(gt, shift * number, 1)
                Image.fromarray(labels).save(tmp_path / side / name / f"{number:05}.png")
    return str(tmp_path / "pred"), str(tmp_path / "gt")


@pytest.fixture
def panoptic(tmp_path: Path) -> tuple[str, str]:
    """Predictions and ground truth of two images."""
    paths = []
    for side, shift in (("pred", 1), ("gt", 0)):
        (tmp_path / side).mkdir()
        annotations = []
        for number in (1, 2):
            ids = np.full((20, 30, 3), (5, 1, 0), np.uint8)
            ids[4 : 14 + shift, 4:14] = 7, 0, 2
            Image.fromarray(ids).save(tmp_path / side / f"{number}.png")
            segments = [{"id": 261, "category_id": 9}, {"id": 7 + 2 * 65536, "category_id": 4}]
            annotations.append({"image_id": number, "file_name": f"{number}.png", "segments_info": segments})
        categories = [{"id": 9, "name": "sky", "isthing": 0}, {"id": 4, "name": "cat", "isthing": 1}]
        paths.append(str(tmp_path / f"{side}.json"))
        Path(paths[-1]).write_text(json.dumps({"annotations": annotations, "categories": categories}))
    return paths[0], paths[1]


def test_sequences(run: Any, sequences: tuple[str, str], tmp_path: Path) -> None:
    assert run(*sequences, "--sequences") == 0
    assert run.out.startswith("2 sequences scored; 4 objects, 4 frames; DAVIS semi.\n")
    assert run(*sequences, "--sequences", "--json", "-o", str(tmp_path / "scores.csv")) == 0
    assert run.err == f"written: {tmp_path / 'scores.csv'}\n"
    found = run.json
    assert found["schema"] == "convneur.sequences/1"
    davis = found["davis"]
    keys = ["jf_mean", "j_mean", "j_recall", "j_decay", "f_mean", "f_recall", "f_decay"]
    assert list(davis) == [*keys, "objects", "sequences"]
    assert davis["j_mean"] == pytest.approx((9 / 11 + 8 / 12) / 2)
    assert list(davis["objects"]) == ["run_1", "run_2", "walk_1", "walk_2"]
    assert davis["sequences"]["walk"]["frames"] == 2
    with (tmp_path / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["kind"] for row in rows] == ["overall", *["sequence"] * 2, *["object"] * 4]
    assert float(rows[0]["jf_mean"]) == davis["jf_mean"]
    assert run(*sequences, "--sequences", "--davis", "unsupervised", "--json") == 0
    assert run.json["davis"]["sequences"]["walk"]["frames"] == 4


def test_a_sequence_that_fails(run: Any, sequences: tuple[str, str]) -> None:
    path = Path(sequences[0]) / "run" / "00001.png"
    Image.fromarray(np.full((20, 30), 9, np.uint8)).save(path)
    assert run(*sequences, "--sequences", "--json") == 1
    first, last = run.err.splitlines()
    assert first == f"error: run: {path}: object 9, but the ground truth's first frame has 2"
    assert last == "error: 1 of 2 sequences could not be scored and are in none of the values"
    assert run.json["failed"][0]["name"] == "run"
    assert list(run.json["davis"]["sequences"]) == ["walk"]


def test_panoptic(run: Any, panoptic: tuple[str, str], tmp_path: Path) -> None:
    assert run(*panoptic, "--panoptic") == 0
    assert run.out.startswith("2 images scored; 2 categories.\n")
    for kind in ("json", "csv", "md", "tex"):
        assert run(*panoptic, "--panoptic", "--json", "-q", "-o", str(tmp_path / f"scores.{kind}")) == 0
    found = run.json
    assert json.loads((tmp_path / "scores.json").read_text()) == found
    assert found["schema"] == "convneur.panoptic/1"
    assert found["pq"]["things"] == {"pq": 100 / 110, "sq": 100 / 110, "rq": 1}
    assert list(found["boundary_pq"]) == ["all", "things", "stuff"]
    with (tmp_path / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["category"] for row in rows] == ["all", "things", "stuff", "9", "4"]
    assert (rows[-1]["tp"], rows[-1]["boundary_fn"]) == ("2", "0")
    (Path(panoptic[0]).with_suffix("") / "2.png").unlink()
    assert run(*panoptic, "--panoptic", "--json") == 1
    assert run.err.startswith("error: image 2 (2.png): ")
    assert "no such file" in run.err
    assert run.json["images"] == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--sequences", "--panoptic"), "--panoptic: says something else than --sequences; give one of them"),
        (("--davis", "semi"), "--davis: is for sequences; add --sequences"),
        (("--sequences", "--tolerance", "3px"), "--tolerance: says nothing with --sequences; leave it out"),
        (("--sequences", "--group", "a=1"), "--group: says nothing with --sequences; leave it out"),
        (("--panoptic", "--list", "pairs.csv"), "--list: says nothing with --panoptic; leave it out"),
        (("--panoptic", "--follow-links"), "--follow-links: says nothing with --panoptic; leave it out"),
        (("--panoptic", "--report", "r.html"), "--report: says nothing with --panoptic; leave it out"),
        (("--panoptic", "-o", "scores.txt"), "--output scores.txt: the name must end in .json, .csv, .md, .tex"),
    ],
)
def test_wrong_usage(options: tuple[str, ...], said: str, run: Any, panoptic: tuple[str, str]) -> None:
    assert run(*panoptic, *options) == 2
    assert run.line == f"error: {said}"


def test_inputs_that_are_none(run: Any, panoptic: tuple[str, str], tmp_path: Path) -> None:
    assert run("--sequences") == 2
    assert run.line == "error: PREDS: give the predictions and the ground truth"
    assert run(str(tmp_path / "none"), panoptic[1], "--panoptic") == 2
    assert run.line == f"error: PREDS {tmp_path / 'none'}: no such file or folder"
    file = json.loads(Path(panoptic[0]).read_text())
    file["annotations"].pop()
    Path(panoptic[0]).write_text(json.dumps(file))
    assert run(*panoptic, "--panoptic") == 1
    assert run.line.endswith('no prediction for 1 of 2 images (image 2 (2.png)); --missing="skip" leaves these out')
    assert run(*panoptic, "--panoptic", "--missing", "skip", "-q") == 0


@pytest.fixture
def probabilities(tmp_path: Path) -> tuple[str, str]:
    """Two probability maps, right from 0.4 on, and their ground truth."""
    for side in ("pred", "gt"):
        (tmp_path / side).mkdir()
    for name in "ab":
        gt = np.zeros((16, 20), np.uint8)
        gt[4:12, 4:12] = 1
        Image.fromarray(gt).save(tmp_path / "gt" / f"{name}.png")
        Image.fromarray((51 + 102 * gt).astype(np.uint8)).save(tmp_path / "pred" / f"{name}.png")
    return str(tmp_path / "pred"), str(tmp_path / "gt")


def test_probabilities(run: Any, probabilities: tuple[str, str], tmp_path: Path) -> None:
    options = ("--probabilities", "--metrics", "miou,boundary_f1")
    assert run(*probabilities, *options, "--json") == 0
    assert (run.json["overall"]["miou"], run.json["settings"]["threshold"]) == (1, 0.5)
    assert run(*probabilities, *options, "--threshold", "0.2", "--json") == 0  # 51 / 255
    assert run.json["overall"]["miou"] == pytest.approx(0.1)
    assert run(*probabilities, *options, "--threshold", "0.1,0.4,0.6", "--json", "-o", str(tmp_path / "s.md")) == 0
    found = run.json
    assert found["schema"] == "convneur.thresholds/1"
    assert found["best"] == {"threshold": 0.4, "by": "miou", "chosen_on": "this data"}
    assert [row["evaluation"]["overall"]["miou"] for row in found["thresholds"]] == pytest.approx([0.1, 1, 1])
    assert "| 0.4 * |" in (tmp_path / "s.md").read_text()
    assert run(*probabilities, *options, "--threshold", "0.1,0.6", "--best-by", "boundary_f1@0.008") == 0
    assert "* best by boundary_f1@0.008, chosen on this data" in run.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--threshold", "0.4"), "--threshold 0.4: is for probability maps; add --probabilities"),
        (("--probabilities", "--threshold", "half"), "--threshold half: give numbers from 0 to 1, such as 0.3,0.5"),
        (("--probabilities", "--threshold", "1.5"), "--threshold 1.5: must be from 0 to 1"),
        (("--probabilities", "--best-by", "miou"), "--best-by: chooses among several thresholds; give --threshold as"),
        (("--probabilities", "--threshold", "0.1,0.2", "--resume"), "--resume: says nothing with several thresholds"),
        (("--probabilities", "--threshold", "0.1,0.2", "--report", "r.html"), "--report: says nothing with several"),
        (("--probabilities", "--pred-labels", "-1"), "--pred-labels: changes labels, and --probabilities holds none"),
        (("--probabilities", "--panoptic"), "--probabilities: says nothing with --panoptic; leave it out"),
    ],
)
def test_wrong_usage_of_probabilities(
    options: tuple[str, ...], said: str, run: Any, probabilities: tuple[str, str]
) -> None:
    assert run(*probabilities, *options) == 2
    assert run.line.startswith(f"error: {said}")


def test_probabilities_that_are_none(run: Any, probabilities: tuple[str, str]) -> None:
    path = Path(probabilities[0]) / "a.png"
    Image.new("P", (20, 16)).save(path)
    assert run(*probabilities, "--probabilities", "--json", "--metrics", "miou") == 1
    assert run.err.startswith(f"error: a: {path}: holds P pixels (")
    assert "write grey PNG of 8 or 16 bits" in run.err
    assert run.json["images"] == 1
    np.save(path.with_suffix(".npy"), np.full((3, 16, 20), 1 / 3))
    path.unlink()
    assert run(*probabilities, "--probabilities", "--threshold", "0.5", "--json", "--metrics", "miou") == 1
    assert "holds 3 classes, of which the highest counts; leave --threshold out" in run.err
