"""`convneur tables` through its entry point: what it prints, what it writes, what it refuses."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

import convneur.cost.paper
from convneur_cli.app import main

KEYS = [
    "table",
    "model",
    "setting",
    "printed_gmacs",
    "paper_gmacs",
    "difference",
    "full_gmacs",
    "printed_params_m",
    "params_m",
    "verdict",
    "why",
]


@pytest.fixture
def four_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row of each kind, where counting all would only take longer."""
    some = [
        printed
        for printed in convneur.cost.paper.printed_costs()
        if printed.setting in ("titans", "concat", "semantic-fpn") or printed.model == "m1"
    ]
    monkeypatch.setattr(convneur.cost.paper, "printed_costs", lambda: tuple(some))
    count = convneur.cost.detector_costs

    def of_m1(models: str, **asked: Any) -> Any:
        assert models == "all"
        return count("m1", **asked)

    monkeypatch.setattr(convneur.cost.paper, "detector_costs", of_m1)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["tables", *arguments])
    return int(stopped.value.code or 0)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.usefixtures("four_rows")
def test_tables_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[0] == "ImageNet-1K, the variants"
    figures = [line.split() for line in lines if line.rstrip().endswith(("reproduced", "differs"))]
    assert figures == [
        ["m1", "0.71", "0.704", "-0.8%", "0.759", "4.3", "4.32", "reproduced"],
        ["titans", "3.1", "2.868", "-7.5%", "3.482", "-", "11.41", "differs"],
        ["concat", "1.9", "1.867", "-1.7%", "2.020", "-", "11.30", "reproduced"],
        ["m2", "semantic-fpn", "106", "106.199", "+0.2%", "107.573", "-", "9.91", "reproduced"],
    ]
    assert "m1: 0.8% under 0.71, within 1%; parameters: rounds to 4.3." in lines
    assert any(line.startswith("titans: 7.5% under 3.1; ") for line in lines)
    assert lines[-1] == "3 of 4 rows are reproduced; titans (branch) differs."
    assert "in Gram form" in out
    derived = [line.split() for line in lines if line.rstrip().endswith("derived")]
    assert derived == [
        ["Cascade", "Mask", "R-CNN", "m1", "318.2", "56.98", "derived"],
        ["Mask", "R-CNN", "m1", "184.6", "24.06", "derived"],
    ]
    assert "no gain over others is stated" in out


@pytest.mark.usefixtures("four_rows")
def test_the_tables_fit_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    rules = [line for line in capsys.readouterr().out.splitlines() if line.startswith("──")]
    assert len(rules) == 5
    assert max(map(len, rules)) <= 80


@pytest.mark.usefixtures("four_rows")
def test_markdown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "tables.md"
    assert run("-o", str(target)) == 0
    assert capsys.readouterr().err == f"written: {target}\n"
    lines = target.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("## ")] == [
        "## ImageNet-1K, the variants",
        "## What the global branch computes, m3",
        "## How global and local features are combined, m3",
        "## ADE20K, with a dense head",
        "## COCO, detectors: derived, not printed",
    ]
    of_tables = [cells(line) for line in lines if line.startswith("|")]
    assert [len(row) for row in of_tables] == [9] * 12 + [5] * 4
    assert of_tables[0] == [
        "setting",
        "printed GMACs",
        "paper GMACs",
        "off by",
        "full GMACs",
        "printed params",
        "params",
        "verdict",
        "why",
    ]
    assert of_tables[2][:3] == ["m1", "0.71", "0.704"]
    assert lines[-1] == "3 of 4 rows are reproduced; titans (branch) differs."


@pytest.mark.usefixtures("four_rows")
def test_csv_and_json_files_hold_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-q", "--json", "-o", str(tmp_path / "tables.csv")) == 0
    printed = capsys.readouterr().out
    assert run("-q", "-o", str(tmp_path / "tables.json")) == 0
    assert capsys.readouterr().err == ""
    assert (tmp_path / "tables.json").read_text(encoding="utf-8") == printed
    with (tmp_path / "tables.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    document = json.loads(printed)
    assert [(row["detector"], row["model"]) for row in document["derived"]][1:] == [("Mask R-CNN", "m1")]
    for row, same in zip(rows, document["rows"], strict=True):
        assert row == {key: "" if value is None else str(value) for key, value in same.items()}
    assert {path.name for path in tmp_path.iterdir()} == {"tables.csv", "tables.json"}


@pytest.mark.usefixtures("four_rows")
def test_an_output_that_exists_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "tables.md"
    target.write_text("mine")
    assert run("-o", str(target)) == 1
    out, err = capsys.readouterr()
    assert (out, target.read_text()) == ("", "mine")
    assert err == f"error: {target}: exists already; choose another name or add --force\n"
    assert run("-q", "-o", str(target), "--force") == 0
    assert target.read_text(encoding="utf-8").startswith("## ImageNet")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["-o", "tables.html"], 2, "error: --output tables.html: the name must end in .json, .csv, .md, .tex\n"),
        (["-o", "tables"], 2, "error: --output tables: the name must end in .json, .csv, .md, .tex\n"),
        (["-o", "nowhere/tables.md"], 1, "error: nowhere: no such folder; create it first\n"),
        (["--model", "m1"], 2, "error: No such option: --model"),
        (["m1"], 2, "error: Got unexpected extra argument"),
    ],
)
def test_wrong_usage(
    arguments: list[str],
    code: int,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(says)
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
