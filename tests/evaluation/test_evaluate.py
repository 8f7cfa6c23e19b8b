"""`evaluate` from Python: what it takes, what it gives, what it refuses, and that nothing half made is left."""

import copy
import csv
import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convneur.data.colours import ColourTable
from convneur.errors import ConfigError, InputError, OutputExistsError
from convneur.evaluation import Evaluation, evaluate, score_pairs
from convneur.evaluation.inputs import InputSettings, found_inputs
from convneur.metrics import BoundaryAccumulator, BoundarySettings, score_pair
from convneur.results import ReadOnly


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


# --- what it gives ---


def test_the_values_are_those_of_the_metrics(place: Path) -> None:
    settings = BoundarySettings(num_classes=3, tolerance=("1px", 3))
    total = BoundaryAccumulator(settings)
    for name in ("a", "b", "city/c", "city/d", "e"):
        scores = score_pair(read(place / "pred" / f"{name}.png"), read(place / "gt" / f"{name}.png"), settings)
        total.add(name, scores)
    expected = total.summary()
    found = evaluate("pred", "gt", tolerance=("1px", 3))
    assert found.overall == expected.overall
    assert found.per_class == expected.per_class
    assert found.per_image == expected.per_image
    assert (found.images, found.failed, found.warnings, found.comparison) == (5, (), (), None)
    assert found.settings["tolerance"] == ("1px", 3)


def test_it_is_frozen_and_prints_itself(place: Path) -> None:
    found = evaluate("pred", "gt", metrics=["miou", "hd95"])
    assert isinstance(found.overall, ReadOnly)
    with pytest.raises(TypeError):
        found.overall["hd95"]["finite_mean"] = 0  # type: ignore[index]
    with pytest.raises(AttributeError):
        found.images = 3  # type: ignore[misc]
    assert str(found).startswith("5 pairs scored; 3 classes (highest ground-truth label + 1); 255 ignored.\n")
    assert f"mIoU one matrix over all images {found.overall['miou']:.4f}" in " ".join(str(found).split())
    assert "<td" in found._repr_html_()
    assert repr(found) == "<Evaluation of 5 images in pred>"
    plain = found.to_dict()
    plain["overall"]["miou"] = 0
    assert found.overall["miou"] > 0


def test_it_pickles_and_copies(place: Path) -> None:
    found = evaluate("pred", "gt", metrics=["miou", "hd95"], against="other")
    for twin in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):
        assert str(twin) == str(found)
        assert twin.to_dict() == found.to_dict()
        assert twin.compare(found).overall["miou"]["high"] == 0
        assert twin.scene("a").name == "a"


def test_it_is_saved_by_suffix(place: Path) -> None:
    found = evaluate("pred", "gt", metrics=["boundary_f1", "miou"])
    for suffix in ("json", "csv", "md", "tex"):
        found.save(f"out.{suffix}")
    assert json.loads((place / "out.json").read_text())["overall"]["miou"] == found.overall["miou"]
    rows = list(csv.DictReader((place / "out.csv").read_text().splitlines()))
    assert [row["name"] for row in rows] == ["overall", "0", "1", "2"]
    assert float(rows[2]["boundary_f1[0.008]"]) == found.per_class[1]["boundary_f1"]["0.008"]
    assert "| Boundary F1 @ 0.008 |" in (place / "out.md").read_text()
    assert (place / "out.md").read_text().startswith("| model | Boundary F1 @ 0.008 ↑ | mIoU ↑ |\n")
    assert (place / "out.tex").read_text() == (
        "\\caption{5 images, means over all classes, 255 ignored. Boundary F1: DAVIS boundary, matched within "
        "tolerance. mIoU: one matrix over all images.}\n"
        "\\begin{tabular}{lrr}\n\\toprule\nmodel & Boundary F1 @ 0.008 $\\uparrow$ & mIoU $\\uparrow$ \\\\\n\\midrule\n"
        f"pred & {found.overall['boundary_f1']['0.008']:.4f} & {found.overall['miou']:.4f} \\\\\n"
        "\\bottomrule\n\\end{tabular}\n"
    )
    with pytest.raises(OutputExistsError):
        found.save("out.tex")
    found.save("out.tex", force=True)


# --- what it takes ---


def test_lists_of_files_are_paired_in_order(place: Path) -> None:
    names = ["city/d", "a"]
    for name in names:
        (place / f"model-{name.replace('/', '-')}.png").write_bytes((place / "pred" / f"{name}.png").read_bytes())
    preds = [f"model-{name.replace('/', '-')}.png" for name in names]
    found = evaluate(preds, [place / "gt" / f"{name}.png" for name in names])
    assert [row["name"] for row in found.per_image] == ["a", "city/d"]
    assert found.per_image[1]["miou"] == evaluate("pred/city/d.png", "gt/city/d.png").overall["miou"]
    with pytest.warns(UserWarning, match="`against` is `predictions` itself"):
        again = evaluate(preds, [place / "gt" / f"{name}.png" for name in names], against=preds)
    assert again.comparison is not None
    assert again.comparison.overall["miou"]["difference"] == 0
    with pytest.raises(ConfigError, match="1 files for 2 ground truths"):
        evaluate(preds[:1], ["gt/a.png", "gt/b.png"])
    with pytest.raises(ConfigError, match="lists of files go in pairs"):
        evaluate(preds, "gt")
    with pytest.raises(InputError, match="both would be named a; list each once"):
        evaluate(preds, ["gt/a.png", "gt/a.png"])
    shutil.copy("gt/a.png", "gt/a.tif")
    with pytest.raises(InputError, match=r"gt/a.png and gt/a.tif: both would be named a; rename one of the files"):
        evaluate(preds, ["gt/a.png", "gt/a.tif"])


def test_class_names_and_colours_may_be_objects(place: Path) -> None:
    named = evaluate("pred", "gt", classes=["sky", "road", "water"])
    assert [row["name"] for row in named.per_class] == ["sky", "road", "water"]
    table = ColourTable(("ground", "house"), {(0, 0, 0): 0, (255, 0, 0): 1})
    pixels = np.zeros((9, 9, 3), np.uint8)
    pixels[2:5, 2:5, 0] = 255
    for name in ("rgb.png", "same.png"):
        Image.fromarray(pixels).save(name)
    found = evaluate("same.png", "rgb.png", colours=table)
    assert [(row["name"], row["miou"]) for row in found.per_class] == [("ground", 1), ("house", 1)]


def test_single_settings_need_no_list(place: Path) -> None:
    one = evaluate("pred", "gt", metrics="boundary_f1", tolerance="2px")
    assert list(one.overall["boundary_f1"]) == ["2px"]
    assert evaluate("pred", "gt", trimap_width=3, metrics=("trimap_miou",)).overall["trimap_miou"].keys() == {"3"}


def test_any_number_of_workers_gives_the_same(place: Path) -> None:
    alone, together = (evaluate("pred", "gt", against="other", workers=workers) for workers in (1, 2))
    assert json.dumps(alone.to_dict()) == json.dumps(together.to_dict())


# --- what it refuses ---


@pytest.mark.parametrize(
    ("settings", "setting", "said"),
    [
        ({"preset": "imagenet"}, "preset", "must be one of ade20k, "),
        ({"ignore_index": "never"}, "ignore_index", "must be a whole number"),
        ({"missing": "ignore"}, "missing", "must be one of error, skip"),
        ({"resize": "linear"}, "resize", "must be nearest"),
        ({"metrics": ["jaccard"]}, "metrics", "must be one of"),
        ({"classes": "none.txt"}, "classes", "no such file or folder"),
        ({"num_classes": 2, "classes": ["a", "b", "c"]}, "num_classes", "`classes` names 3"),
        ({"against": "nowhere"}, "against", "no such file or folder"),
        ({"resamples": 0}, "resamples", "must be at least 1"),
        ({"seed": -1}, "seed", "must be at least 0"),
        ({"workers": -1}, "workers", "must be at least 1"),
        ({"workers": 2, "scheduler": "tcp://here:1"}, "workers", "the scheduler's workers do the work"),
        ({"output": "out.txt"}, "output", "must end in .json, .csv, .md, .tex"),
        ({"per_image": "out.json"}, "per_image", "must end in .csv"),
        ({"resume": True}, "resume", "needs `output`, `per_image` or `per_object`"),
        ({"figures": "new", "figures_count": 0}, "figures_count", "must be at least 1"),
        ({"figures_by": "miou"}, "figures_by", "give `figures` or `report` too"),
        ({"report": "r.pdf"}, "report", "must end in .html"),
    ],
)
def test_a_wrong_setting_is_named_and_nothing_is_left(
    place: Path, settings: dict[str, Any], setting: str, said: str
) -> None:
    before = set(place.iterdir())
    with pytest.raises(ConfigError) as raised:
        evaluate("pred", "gt", **settings)
    assert raised.value.setting == setting
    assert said in raised.value.problem
    assert set(place.iterdir()) == before


def test_no_message_speaks_of_options(place: Path) -> None:
    (place / "pred" / "b.png").unlink()
    for call in (
        lambda: evaluate("pred", "gt"),
        lambda: evaluate("pred"),
        lambda: evaluate("pred", "gt", listed="pairs.txt", pred_name="{stem}"),
        lambda: evaluate("pred", "gt", missing="skip", against="other"),
    ):
        with pytest.raises((ConfigError, InputError)) as raised:
            call()
        assert "--" not in str(raised.value)


def test_a_pair_that_fails_is_typed_and_left_out(place: Path) -> None:
    (place / "other" / "b.png").write_bytes(b"")
    Image.fromarray(np.full((41, 59), 9, np.uint8)).save("gt/b.png")
    with pytest.warns(UserWarning, match=r"^b( \(against\))?: "):
        found = evaluate("pred", "gt", num_classes=3, against="other")
    assert [(failure.name, failure.model) for failure in found.failed] == [("b", 0), ("b", 1)]
    assert found.failed[0].why.startswith("ground-truth label 9")
    assert [row["name"] for row in found.to_dict()["failed"]] == ["b", "b (against)"]
    assert found.against is not None
    assert [(failure.name, failure.model) for failure in found.against.failed] == [("b", 0)]
    assert str(found).startswith("4 pairs scored, 1 failed; ")
    with pytest.raises(InputError, match="b: ground-truth label 9"):
        evaluate("pred", "gt", num_classes=3, strict=True)


def test_warnings_are_python_warnings_and_kept(place: Path) -> None:
    Image.fromarray(np.zeros((3, 3), np.uint8)).save("pred/more.png")
    with pytest.warns(UserWarning, match="1 prediction without a ground truth, ignored: more"):
        found = evaluate("pred", "gt")
    assert found.warnings == ("1 prediction without a ground truth, ignored: more",)


def test_arrays_and_empty_lists_are_refused(place: Path) -> None:
    maps = np.zeros((2, 4, 4), int)
    for given in (maps, list(maps)):
        with pytest.raises(ConfigError, match=r"^predictions: evaluate reads files; for arrays there is"):
            evaluate(given, given)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"^predictions: the list is empty"):
        evaluate([], [])


# --- pairs alone ---


def test_kept_scores_are_read_again_unless_the_settings_change(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = found_inputs(InputSettings(), "pred", "gt")
    settings = BoundarySettings(num_classes=3, metrics=("miou",))
    first = dict(score_pairs(inputs.pairing.pairs, inputs.reading, settings, kept=place / "scores.jsonl"))
    with monkeypatch.context() as patched:
        patched.setattr("convneur.evaluation.scoring._score", lambda *_, **__: pytest.fail("scored again"))
        again = dict(score_pairs(inputs.pairing.pairs, inputs.reading, settings, kept=place / "scores.jsonl"))
    assert {name: scores.confusion.agreeing.tolist() for name, scores in first.items()} == {
        name: scores.confusion.agreeing.tolist() for name, scores in again.items()
    }
    other = BoundarySettings(num_classes=3, metrics=("miou", "assd"))
    changed = dict(score_pairs(inputs.pairing.pairs, inputs.reading, other, kept=place / "scores.jsonl"))
    assert changed["a"].distances is not None


def test_the_result_is_one_type_from_the_door() -> None:
    import convneur.evaluation

    for name in convneur.evaluation.__all__:
        assert getattr(convneur.evaluation, name) is not None
    assert convneur.evaluation.Evaluation is Evaluation


def test_a_script_needs_no_main_guard_for_workers(place: Path) -> None:
    script = place / "script.py"
    script.write_text(
        "from convneur.evaluation import evaluate\n"
        'found = evaluate("pred", "gt", metrics="miou", num_classes=3, workers=2)\n'
        "print(found.images)\n"
    )
    ran = subprocess.run([sys.executable, script], cwd=place, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    alone = evaluate("pred", "gt", metrics="miou", num_classes=3)
    assert ran.stdout == f"{alone.images}\n"  # once: no worker ran the script
