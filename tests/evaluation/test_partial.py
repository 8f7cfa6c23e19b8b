"""Runs that were stopped: gone on with by typed keys, and from files that version 0.1.0 left behind."""

import json
import os
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convneur.data.pairs import Pair
from convneur.errors import InputError, OutputExistsError
from convneur.evaluation import Evaluation, evaluate, scoring
from convneur.evaluation.jobs import stamp
from convneur.progress import ProgressLines
from convneur.schema import sealed, unsealed

LEGACY = Path(__file__).parents[1] / "legacy"
# All that there were in the first version; one that joined since is another setting.
FIRST_METRICS = json.loads((LEGACY / "one.json.partial").read_text().splitlines()[0])["metrics"]


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the pairs that are scored from here on, with the folder of their predictions."""
    score, names = scoring._score, []

    def noting(pair: Any, **more: Any) -> Any:
        names.append(f"{pair.pred.parent.name}/{pair.name}")
        return score(pair, **more)

    monkeypatch.setattr(scoring, "_score", noting)
    return names


def stopped(monkeypatch: pytest.MonkeyPatch, after: int, **settings: Any) -> None:
    """Run `evaluate` and stop it behind so many pairs."""
    score, done = scoring._score, []

    def interrupted(pair: Any, **more: Any) -> Any:
        if len(done) == after:
            raise KeyboardInterrupt
        done.append(pair)
        return score(pair, **more)

    with monkeypatch.context() as patched:
        patched.setattr(scoring, "_score", interrupted)
        with pytest.raises(KeyboardInterrupt, match=f"{after} of .* `resume` goes on with them"):
            evaluate("pred", "gt", **settings)


def save(path: Path, labels: np.ndarray) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(labels).save(path)


EVERYTHING: dict[str, Any] = {
    "metrics": ("all", "dice", "objects", "cldice"), "hd_percentile": (50, 90), "tolerance_curve": "1:3",
    "mean_over": "foreground", "groups": {"ends": (0, 2)},
}  # fmt: skip


@pytest.mark.parametrize("options", [{}, EVERYTHING], ids=["default", "everything"])
def test_a_stopped_run_goes_on_and_gives_what_it_would_have(
    place: Path, monkeypatch: pytest.MonkeyPatch, begun: list[str], options: dict[str, Any]
) -> None:
    options = {"against": "other"} | options
    expected = evaluate("pred", "gt", **options).to_dict()
    begun.clear()
    stopped(monkeypatch, 7, **options, num_classes=3, output="out.json")
    with pytest.raises(InputError, match="`resume` goes on with it, `force` begins again"):
        evaluate("pred", "gt", **options, num_classes=3, output="out.json")
    begun.clear()
    found = evaluate("pred", "gt", **options, num_classes=3, output="out.json", resume=True)
    assert begun == ["city/city/c", "city/city/d", "other/e"]
    expected["settings"]["num_classes_from"] = found.settings["num_classes_from"]
    assert json.dumps(found.to_dict()) == json.dumps(expected)
    assert not (place / "out.json.partial").exists()


def test_names_that_look_alike_stay_two_pairs(place: Path, monkeypatch: pytest.MonkeyPatch, begun: list[str]) -> None:
    """The second model's `a` is not the first one's `a (against)`, in the file as in the result."""
    for folder in ("gt", "pred", "other"):
        (place / folder / "a (against).png").write_bytes((place / folder / "b.png").read_bytes())
    alone = evaluate("pred", "gt")
    stopped(monkeypatch, 9, against="other", num_classes=3, output="out.json")
    begun.clear()
    found = evaluate("pred", "gt", against="other", num_classes=3, output="out.json", resume=True)
    assert begun == ["city/city/c", "city/city/d", "other/e"]
    assert found.images == 6
    assert found.overall == alone.overall
    assert found.comparison is not None
    assert found.comparison.images == 6


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the legacy files were made in, see their README."""
    monkeypatch.chdir(tmp_path)
    for number in range(4):
        for folder, shift in (("gt", 0), ("preds", 1), ("others", 2)):
            labels = np.zeros((20, 24), np.uint8)
            labels[5:15, 6 + number + shift : 18 + shift] = 1
            save(tmp_path / folder / f"{number}.png", labels)
    return tmp_path


def put(place: Path, name: str) -> Path:
    """A legacy file in its place, with the sizes and times that the files have here."""
    header, *lines = (LEGACY / name).read_text().replace("FOLDER", str(place)).splitlines()
    made = [header]
    for line in map(json.loads, lines):
        number, _, mark = line["name"].partition(" ")
        folder = "others" if mark else "preds"
        line["files"] = stamp(Pair(number, place / folder / f"{number}.png", place / "gt" / f"{number}.png"))
        made.append(json.dumps(line))
    path = place / name
    path.write_text("\n".join(made) + "\n")
    return path


@pytest.mark.parametrize(
    ("name", "settings", "left"),
    [
        ("one.json", {}, ["preds/2", "preds/3"]),
        ("two.json", {"against": "others"}, ["others/2", "others/3"]),
    ],
)
def test_files_of_the_first_version_are_gone_on_with(
    old: Path, name: str, settings: dict[str, Any], left: list[str], begun: list[str]
) -> None:
    expected = evaluate("preds", "gt", num_classes=2, metrics=FIRST_METRICS, **settings).to_dict()
    path = put(old, f"{name}.partial")
    begun.clear()
    found = evaluate("preds", "gt", num_classes=2, metrics=FIRST_METRICS, output=name, resume=True, **settings)
    assert begun == left
    assert json.dumps(found.to_dict()) == json.dumps(expected)
    assert not path.exists()


def test_a_file_of_the_first_version_that_is_stopped_again(
    old: Path, monkeypatch: pytest.MonkeyPatch, begun: list[str]
) -> None:
    put(old, "one.json.partial")
    score = scoring._score

    def interrupted(pair: Any, **more: Any) -> Any:
        if pair.name == "3":
            raise KeyboardInterrupt
        return score(pair, **more)

    with monkeypatch.context() as patched:
        patched.setattr(scoring, "_score", interrupted)
        with pytest.raises(KeyboardInterrupt, match="3 of 4 pairs"):
            evaluate("preds", "gt", num_classes=2, metrics=FIRST_METRICS, output="one.json", resume=True)
    begun.clear()
    assert evaluate("preds", "gt", num_classes=2, metrics=FIRST_METRICS, output="one.json", resume=True).images == 4
    assert begun == ["preds/3"]


def test_a_name_of_the_first_version_that_means_two_pairs_is_scored_again(old: Path, begun: list[str]) -> None:
    for folder in ("gt", "preds", "others"):
        (old / folder / "0 (against).png").write_bytes((old / folder / "1.png").read_bytes())
    expected = evaluate("preds", "gt", num_classes=2, metrics=FIRST_METRICS, against="others").to_dict()
    put(old, "two.json.partial")
    begun.clear()
    found = evaluate(
        "preds", "gt", num_classes=2, metrics=FIRST_METRICS, against="others", output="two.json", resume=True
    )
    assert {"preds/0 (against)", "others/0", "others/0 (against)"} <= set(begun)
    assert json.dumps(found.to_dict()) == json.dumps(expected)


def test_a_run_killed_while_it_wrote_its_outputs_goes_on(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {"num_classes": 3, "output": "out.json", "per_image": "rows.csv"}
    evaluate("pred", "gt", **{name: f"whole-{value}" if name != "num_classes" else value
                              for name, value in asked.items()})  # fmt: skip
    save_result = Evaluation.save

    def killed(self: Evaluation, *arguments: Any, **how: Any) -> None:
        save_result(self, *arguments, **how)
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(Evaluation, "save", killed)
        with pytest.raises(SystemExit):
            evaluate("pred", "gt", **asked, progress=ProgressLines())
    assert (place / "out.json").exists()
    assert (place / "out.json.partial").exists()
    with pytest.raises(InputError, match="exists already"):
        evaluate("pred", "gt", **asked)
    evaluate("pred", "gt", **asked, resume=True)
    for name in ("out.json", "rows.csv"):
        assert (place / name).read_bytes() == (place / f"whole-{name}").read_bytes()
    assert not (place / "out.json.partial").exists()


def test_finished_pairs_of_other_files_of_one_size_and_time_are_scored_again(place: Path) -> None:
    labels = np.zeros((40, 50), np.uint8)
    labels[5:20, 5:30] = 1
    for folder in ("models", "truth"):
        (place / folder).mkdir()
    for name in ("one", "two"):
        np.save(place / f"truth/{name}.npy", labels)
        np.save(place / f"models/{name}_good.npy", labels)
        np.save(place / f"models/{name}_bad.npy", np.roll(labels, 7, axis=1))
    (place / "models/two_good.npy").write_bytes(b"cut".ljust((place / "models/one_good.npy").stat().st_size))
    for path in (place / "models").iterdir():
        os.utime(path, (1, 1))
    with pytest.warns(UserWarning, match="1 of 2 pairs are scored and kept"), pytest.raises(InputError, match="two"):
        evaluate("models", "truth", pred_name="{stem}_good", metrics="miou", output="out.json", strict=True)
    other = {"pred_name": "{stem}_bad", "metrics": "miou"}
    gone_on = evaluate("models", "truth", **other, output="out.json", resume=True)
    assert gone_on.to_dict()["per_image"] == evaluate("models", "truth", **other).to_dict()["per_image"]


def test_resume_overwrites_nothing_that_it_did_not_write(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped(monkeypatch, 2, num_classes=3, output="out.json")
    (place / "out.json").write_text("another's")
    with pytest.raises(OutputExistsError):
        evaluate("pred", "gt", num_classes=3, output="out.json", resume=True)
    assert (place / "out.json").read_text() == "another's"


def test_a_table_that_appears_during_the_run_is_not_overwritten(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    score = scoring._score

    def appearing(pair: Any, **more: Any) -> Any:
        (place / "rows.csv").write_text("another's")
        return score(pair, **more)

    with monkeypatch.context() as patched:
        patched.setattr(scoring, "_score", appearing)
        with pytest.raises(OutputExistsError, match=r"rows\.csv: exists already"):
            evaluate("pred", "gt", num_classes=3, per_image="rows.csv", progress=ProgressLines())
    assert (place / "rows.csv").read_text() == "another's"
    (place / "rows.csv").unlink()
    evaluate("pred", "gt", num_classes=3, per_image="rows.csv", resume=True)


def test_finished_pairs_stay_until_the_next_run_has_one(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped(monkeypatch, 2, num_classes=3, output="out.json")
    kept = (place / "out.json.partial").read_bytes()
    for pred in (path for path in (place / "pred").rglob("*") if path.is_file()):
        pred.write_bytes(b"damaged")
    with pytest.raises(InputError):
        evaluate("pred", "gt", num_classes=3, output="out.json", strict=True, force=True)
    assert (place / "out.json.partial").read_bytes() == kept


def test_two_runs_do_not_share_an_output(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped(monkeypatch, 2, num_classes=3, output="out.json")
    score, tried = scoring._score, []

    def meanwhile(pair: Any, **more: Any) -> Any:
        if not tried:
            tried.append(pair)
            for how in ({}, {"resume": True}, {"force": True}):
                with pytest.raises(InputError, match=r"partial: another run is writing it; choose another output"):
                    evaluate("pred", "gt", num_classes=3, output="out.json", **how)
        return score(pair, **more)

    monkeypatch.setattr(scoring, "_score", meanwhile)
    assert evaluate("pred", "gt", num_classes=3, output="out.json", resume=True).images
    assert tried


def test_a_full_disk_keeps_what_it_took(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    score = scoring._score
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def filling(pair: Any, **more: Any) -> Any:
        found = score(pair, **more)
        if pair.name.endswith("d"):
            size = (place / "out.json.partial").stat().st_size
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + 40, hard))  # less than a line
        return found

    try:
        with monkeypatch.context() as patched:
            patched.setattr(scoring, "_score", filling)
            with pytest.raises(InputError, match=r"out\.json\.partial: could not be written \(File too large\)"):
                evaluate("pred", "gt", num_classes=3, output="out.json", progress=ProgressLines())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert evaluate("pred", "gt", num_classes=3, output="out.json", resume=True).to_dict() == (
        evaluate("pred", "gt", num_classes=3).to_dict()
    )


SETTINGS = {"num_classes": 2, "metrics": FIRST_METRICS, "output": "one.json", "resume": True}


def test_a_file_of_the_second_version_which_has_no_checksums(
    place: Path, monkeypatch: pytest.MonkeyPatch, begun: list[str]
) -> None:
    expected = evaluate("pred", "gt", num_classes=3).to_dict()
    stopped(monkeypatch, 3, num_classes=3, output="out.json")
    path = place / "out.json.partial"
    header, *lines = [unsealed(line, finite=False) for line in path.read_bytes().splitlines()]
    header["schema"] = "convneur.boundary-state/2"
    path.write_text("".join(json.dumps(each) + "\n" for each in (header, *lines)))
    begun.clear()
    assert json.dumps(evaluate("pred", "gt", num_classes=3, output="out.json", resume=True).to_dict()) == json.dumps(
        expected
    )
    assert len(begun) == expected["images"] - 3


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"name": 3}, 'name: must be text, not 3'),
        ({"files": [1, 2]}, r"files\[0\]: must be a list, not 1"),
        ({"scores.shape": [20, 25]}, "scores.confusion: does not add up"),
        ({"scores.classes": [1, 0]}, "scores.classes: must ascend within 0 to 1"),
        ({"scores.classes": [0, 70]}, "scores.classes: must ascend within 0 to 1"),
        ({"scores.confusion": [[360, 120]]}, "scores.confusion: needs 3 values, not 1"),
        ({"scores.confusion": [[360, 120], [360, 120], [361, 120]]}, "scores.confusion: has more pixels that agree"),
        ({"scores.trimap": {"class": []}}, "scores.trimap.void: is missing"),
        ({"scores.boundary_f1": [[44], [44], [[44]], [[44]], [[1.0]]]}, r"boundary_f1: is of shape \(1,\), not \(2,\)"),
        ({"scores.boundary_f1": None}, "scores.boundary_f1: is missing"),
        ({"scores.distances": [[1.0], [1.0, 2.0]]}, "scores.distances: has rows of different lengths"),
        ({"scores.boundary_iou": [0.5, 1.5]}, "scores.boundary_iou: is out of range"),
        ({"scores.boundary_iou": ["0.5", "0.5"]}, "scores.boundary_iou: needs numbers"),
        ({"scores.void_pixels": 10**400}, "scores.void_pixels: is too large a number"),
    ],
)  # fmt: skip
def test_scores_that_no_pair_can_have_are_made_again(
    old: Path, damage: dict[str, Any], words: str, begun: list[str]
) -> None:
    """Where a line has no checksum, and where somebody made one."""
    expected = evaluate("preds", "gt", num_classes=2, metrics=FIRST_METRICS).to_dict()
    for seal in (False, True):
        path = put(old, "one.json.partial")
        header, *lines = map(json.loads, path.read_text().splitlines())
        ((place, value),) = damage.items()
        (lines[0]["scores"] if "." in place else lines[0])[place.removeprefix("scores.")] = value
        made = [json.dumps(each).encode() for each in (header, *lines)]
        if seal:
            header["schema"], header["against"] = "convneur.boundary-state/3", None
            made = [sealed(header), *(sealed({"model": 0, **line}) for line in lines)]
        path.write_bytes(b"\n".join(made) + b"\n")
        begun.clear()
        (old / "one.json").unlink(missing_ok=True)
        with pytest.warns(UserWarning, match=rf"one\.json\.partial: damaged \(line 2: .*{words}"):
            found = evaluate("preds", "gt", **SETTINGS)
        assert json.dumps(found.to_dict()) == json.dumps(expected)
        assert begun == ["preds/0", "preds/2", "preds/3"]
