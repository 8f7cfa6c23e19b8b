"""`convneur frontier` through its entry point."""

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def run(command: Any) -> Any:
    return command("frontier")


def test_json_is_the_contracts(run: Any) -> None:
    assert run("--json", "--model", "m1,m4", "--add", "mine:0.5:80") == 0
    assert run.json["schema"] == "convneur.frontier/1"
    m1, _m4, mine = run.json["models"]
    assert (m1["cost"], m1["accuracy"], round(m1["points_below"], 2)) == (0.71, 75.4, 4.33)
    assert (m1["frontier_model"], m1["frontier_size"]) == ("efficientvit_b1.r256_in1k", 256)
    assert (mine["name"], mine["points_below"] < 0) == ("mine", True)


@pytest.mark.parametrize("suffix", ["png", "svg", "html", "csv", "md", "json", "tex"])
def test_every_form(run: Any, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"frontier.{suffix}"
    assert run("-o", str(path)) == 0
    assert "4.33 points below efficientvit_b1.r256_in1k at 256" in " ".join(run.out.split())
    assert path.stat().st_size > 500
    assert run("-o", str(path)) == 1
    assert run.line.endswith("exists already; choose another name or add --force")


def test_usage(run: Any, tmp_path: Path) -> None:
    assert run("--x", "latency") == 2
    assert run.line == ("error: --x latency: is measured; give --times, which `convneur bench -o times.json` writes")
    assert run("-o", "frontier.txt") == 2
    (tmp_path / "peers.csv").write_text("model,macs_g,top1\na,x,1\n")
    assert run("--peers", str(tmp_path / "peers.csv")) == 1
    assert "line 2: macs_g: must be a number, not 'x'" in run.line
