"""Outputs are refused before the work begins."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from convneur.files import new_file, new_text, refuse_existing
from convneur.results import Result
from convneur_cli.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from convneur_cli.options.common import CommonOptions
    from convneur_cli.output import Printer

__all__ = ["DRAWN", "FIGURES", "check_outputs", "refuse_inputs", "write_result"]

FIGURES = (".png", ".svg", ".pdf")
DRAWN = (*FIGURES, ".html")
_Result = TypeVar("_Result", bound=Result)
_OUTPUTS = ("output", "plot", "per_image", "report")


def refuse_inputs(values: Mapping[str, Any], options: Mapping[str, str]) -> None:
    """Raise UsageError for an output that is an input of the same command, which --force would overwrite.

    Args: values: of a command, by parameter; options: how each is typed.
    """
    for output in (name for name in _OUTPUTS if values.get(name) is not None):
        for target, name in itertools.product(map(Path, _paths(values[output])), values.keys() - set(_OUTPUTS)):
            if any(_same(path, target) for path in _paths(values[name])):
                raise UsageError(f"{options[output]} {target}: is {options[name]} too; choose another name")


def _paths(value: Any) -> Iterator[str | Path]:
    yield from (each for each in (value if isinstance(value, list) else [value]) if isinstance(each, (str, Path)))


def _same(path: str | Path, output: Path) -> bool:
    try:
        return output.is_file() and output.samefile(path)
    except (OSError, ValueError):  # no path at all, or none that is there
        return False


def check_outputs(*outputs: tuple[str, Path | None, tuple[str, ...]], force: bool) -> None:
    """Refuse what cannot be written: (option, path, suffixes) each; None where the option was left out.

    Raises: UsageError: another suffix; InputError: as `refuse_existing`.
    """
    for option, path, suffixes in outputs:
        if path is not None and path.suffix.lower() not in suffixes:
            raise UsageError(f"{option} {path}: the name must end in {', '.join(suffixes)}")
    refuse_existing(*(path for _, path, _ in outputs if path is not None), force=force)


def write_result(
    result: _Result,
    path: Path | None,
    common: "CommonOptions",
    printer: "Printer",
    *,
    page: Callable[[_Result], str] | None = None,
    figure: "Callable[[_Result], Figure] | None" = None,
) -> None:
    """Draw or write a result by the suffix of a name that `check_outputs` saw; None writes nothing."""
    if path is None:
        return
    suffix = path.suffix.lower()
    if suffix == ".html" and page is not None:
        new_text(path, page(result), force=common.force)
    elif suffix in FIGURES and figure is not None:
        from convneur.figures import save_figure

        with new_file(path, force=common.force) as temporary:
            save_figure(figure(result), temporary)
    else:
        result.save(path, force=common.force)
    printer.note(f"written: {path}")
