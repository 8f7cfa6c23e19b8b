"""The page of an audit: one HTML file with the claims, the counts, the times and the place, which fetches nothing."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from convneur.figures.frontier import frontier_data
from convneur.figures.html_page import html_page

if TYPE_CHECKING:
    from convneur.auditing import AuditReport

__all__ = ["audit_page"]


def audit_page(report: "AuditReport") -> str:
    """The page as HTML: what `convneur audit -o audit.html` writes.

    >>> import convneur
    >>> report = convneur.audit("m1", claims="linear", sizes=64, measure=False, memory="none")
    >>> "<title>Audit of m1 with memory none</title>" in audit_page(report)
    True
    """
    title = f"Audit of {report.title}"
    plain = report.to_dict()
    cost, times = plain["cost"]["models"][0], plain["times"]
    data = {
        "title": title,
        "model": report.title,
        "verdict": report.verdict,
        "source": report.model.source,
        "params": cost["params"],
        "claims": plain["claims"],
        "growth": {
            "words": list(report.growth_sentences()),
            "headline": report.cost.headlines()[0].partition(": ")[2],
            "class": cost["scaling"]["class"],
            "sizes": [{"name": name, **row} for name, row in zip(report.model.sizes, cost["sizes"], strict=True)],
            "points": [point._asdict() for point in report.cost.lines[0].points],
        },
        "counters": list(report.counter_sentences()),
        "uncounted": _uncounted(cost),
        "tree": _tree(report),
        "ceilings": None if times is None else times["machine"],
        "times": None if times is None else times["models"][0],
        "timeWords": list(report.time_sentences()),
        "machine": report.machine_words(),
        "frontier": None if report.frontier is None else frontier_data(report.frontier),
        "notes": list(report.notes),
        "terms": [*report.cost.verbose().sentences(), *_tree_words(report)],
    }
    return html_page(
        ("frontier_plot", "audit"),
        data,
        title=title,
        generator="convneur",
        without_script="The tables and plots of this page are made by its own script; nothing is fetched. Allow "
        "scripts to see them, or write a .md or .json file.",
        charts=True,
    )


def _uncounted(cost: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Operators without a formula at the largest size counted."""
    rows = [row for row in cost["sizes"] if row["uncounted_operators"]]
    if not rows:
        return []
    last = rows[-1]
    return [
        {"operator": name, "calls": calls, "modules": last["uncounted_in"].get(name, [])}
        for name, calls in last["uncounted_operators"].items()
    ]


def _tree(report: "AuditReport") -> dict[str, Any] | None:
    """The modules at the smallest size: timed ones where there are, else as counted."""
    if report.times is not None and report.times.trees:
        tree = report.times.trees[0]
        return {"title": tree.title, "rows": tree.records(), "leaves": [tree.rows.index(row) for row in tree.leaves]}
    if not report.cost.trees:
        return None
    counted = report.cost.trees[0]
    return {"title": counted.title.removesuffix(": cost by module"), "rows": list(counted.records()), "leaves": []}


def _tree_words(report: "AuditReport") -> list[str]:
    trees = () if report.times is None else report.times.trees
    found = trees[0].sentences()[1:] if trees else report.cost.trees[0].sentences() if report.cost.trees else ()
    return list(found)
