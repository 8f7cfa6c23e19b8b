"""`convneur audit` through its entry point."""

from pathlib import Path
from typing import Any

import pytest

QUICK = ("--memory", "none", "--sizes", "64", "--no-measure")


@pytest.fixture
def run(command: Any) -> Any:
    return command("audit")


def test_a_page_and_the_exit_code(run: Any, tmp_path: Path) -> None:
    page = tmp_path / "audit.html"
    assert run("m1", *QUICK, "--claim", "linear", "--claim", "1 kMACs@64", "-q", "-o", str(page)) == 3
    assert run.err == "error: --claim: '1 kMACs@64' does not hold: 46 028 kMACs at 64\n"
    assert run.out.startswith("m1 with memory none: 1 of 2 claims does not hold.")
    assert "<title>Audit of m1 with memory none</title>" in page.read_text()
    assert run("m1", *QUICK, "-o", str(page)) == 1
    assert run.line.endswith("exists already; choose another name or add --force")


def test_json_is_the_contracts(run: Any) -> None:
    assert run("m1", *QUICK, "--json", "--claim", "5 M params") == 0
    assert run.json["schema"] == "convneur.audit/1"
    assert run.json["claims"] == [{"claim": "5 M params", "found": "4.117 M params", "holds": True}]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("m9",), "error: MODEL m9: choose m1, m2, m3, m4"),
        (("m1", "--claim", "fast"), "error: --claim 'fast': give constant"),
        (
            ("m1", "--claim", "1 ms@64", "--no-measure"),
            "error: --claim 1 ms@64: a time is not known with --no-measure; leave one of them out",
        ),
        (
            ("m1", "--memory", "none", "--claim", "frontier@1 points"),
            "error: --accuracy: that of m1 with these settings is not known",
        ),
        (("m1", "-o", "audit.png"), "error: --output audit.png: the name must end in .html, .json"),
    ],
)
def test_usage(run: Any, arguments: tuple[str, ...], line: str) -> None:
    assert run(*arguments) == 2
    assert run.line.startswith(line)
