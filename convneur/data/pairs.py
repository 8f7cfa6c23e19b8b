"""Pairs of a ground truth and a prediction: by file name, or as a file lists them."""

import csv
import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from convneur.data.folders import file_of, nfc, some
from convneur.data.label_folder import LabelFolder
from convneur.data.stacks import STACK_SUFFIXES, Page, pages_of
from convneur.data.templates import Template, template_hint
from convneur.errors import ConfigError, InputError
from convneur.schema import read_text

__all__ = ["Pair", "Pairing", "find_pairs", "listed_pairs", "paged", "paired_files"]

Missing = Literal["error", "skip"]


@dataclass(frozen=True)
class Pair:
    """name: what the two files have in common, for folders the relative path without suffix; of pages also the number.

    fault: why the two cannot be compared, where that is known before they are read.
    """

    name: str
    pred: Path | Page
    gt: Path | Page
    fault: str | None = None

    @property
    def files(self) -> str:
        """The name without the number of a page."""
        return self.name.rpartition("/")[0] if isinstance(self.gt, Page) else self.name


@dataclass(frozen=True)
class Pairing:
    """pairs: by name. without_pred, without_gt: names that one side lacks. unread: what else lies there, in words."""

    pairs: tuple[Pair, ...]
    without_pred: tuple[str, ...] = ()
    without_gt: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


def find_pairs(
    pred: Path,
    gt: Path,
    *,
    missing: Missing = "error",
    pred_names: Sequence[str] = ("{stem}",),
    gt_names: Sequence[str] = ("{stem}",),
    follow_links: bool = False,
) -> Pairing:
    """Pair predictions with ground truth: two files as they are, two folders by what their names have in common.

    Choice: a prediction without a ground truth is left aside.
    Args:    pred, gt: two files or two folders; missing: what a ground truth without a prediction is; pred_names,
        gt_names: templates of the names, see `LabelFolder`; follow_links: see `list_files`.
    Returns: the pairs in the order of their names.
    Raises:  InputError: a ground truth without a prediction unless skipped, no pair at all, an empty folder, two files
        of one name. ConfigError: a file and a folder, a template without `{stem}`.
    """
    templates = (
        [Template.of("pred_name", each) for each in pred_names],
        [Template.of("gt_name", each) for each in gt_names],
    )
    if pred.is_dir() != gt.is_dir():
        raise ConfigError(
            "predictions",
            "one is a folder, the other a file; give two files or two folders",
            value=f"{pred} and {gt}",
        )
    if not pred.is_dir():
        return Pairing((Pair(nfc(gt.with_suffix("").name), pred, gt),))
    preds, gts = (
        LabelFolder(folder, given, follow_links=follow_links)
        for folder, given in zip((pred, gt), templates, strict=True)
    )
    without_pred = tuple(name for name in gts.files if name not in preds.files)
    if without_pred and (missing == "error" or len(without_pred) == len(gts.files)):
        raise InputError(pred, _no_partner(preds, gts, without_pred))
    pairs = tuple(Pair(name, preds.files[name], path) for name, path in gts.files.items() if name in preds.files)
    unread = dict.fromkeys([*preds.warnings(), *gts.warnings()])
    return Pairing(pairs, without_pred, tuple(name for name in preds.files if name not in gts.files), tuple(unread))


def _no_partner(preds: LabelFolder, gts: LabelFolder, names: Sequence[str]) -> str:
    """What to do about ground truths without a prediction."""
    none = len(names) == len(gts.files)
    problem = f"no prediction for {len(names)} of {len(gts.files)} ground truths ({some(names)})"
    near = preds.nearest(names[0])
    if near.casefold() == names[0].casefold():
        problem += f"; {near} differs from {names[0]} in upper and lower case, rename one of them"
    else:
        problem += f"; the name nearest to {names[0]} is {near}"
    hint = template_hint(preds.names, gts.names, (preds.templates, gts.templates), pairs=len(gts.files) - len(names))
    unread = [line.removeprefix(f"{preds.folder}: ") for line in preds.warnings()]
    return "; ".join(
        [
            problem,
            hint or "say how files are named with `pred_name` and `gt_name`, or list the pairs in a file, `listed`",
            *([] if none else ['`missing="skip"` leaves these out']),
            *unread,
        ]
    )


def listed_pairs(file: Path, pred: Path, gt: Path, *, missing: Missing = "error") -> Pairing:
    """The pairs that a text file lists: a prediction and its ground truth per line, a tab or a comma between them.

    Choice: a line with a tab is divided there, any other as CSV, so that a name with a comma can stand in quotes. A
        pair is named by its ground truth as listed, without suffix; links are followed, since they were named.
    Args:    pred, gt: folders from which relative paths lead; missing: what a prediction that does not exist is.
    Returns: the pairs in the order of the list.
    Raises:  InputError: a line that is not two paths, a name listed twice, a file that does not exist, an empty list.
    """
    lines = read_text(file, mend="write two paths per line").split("\n")  # other line ends may be in a name
    pairs: dict[str, Pair] = {}
    without_pred = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            parts = [part.strip() for part in (line.split("\t") if "\t" in line else next(csv.reader([line])))]
        except csv.Error as error:
            raise InputError(file, f"line {number}: {error}; write two paths per line") from None
        if len(parts) != 2 or not all(parts):
            raise InputError(file, f"line {number}: give a prediction, a tab or comma, and its ground truth")
        name, made, true = _name(parts[1]), file_of(pred, parts[0]), file_of(gt, parts[1])
        if name in pairs or name in without_pred:
            raise InputError(file, f"line {number}: {name} is listed before; list it once")
        for path in (true, made):
            if path.is_dir():
                raise InputError(file, f"line {number}: {path} is a folder; list the files in it")
        if not true.is_file():
            raise InputError(file, f"line {number}: {true}: no such file{_unlike_a_path(number, parts)}")
        if made.is_file():
            pairs[name] = Pair(name, made, true)
        elif missing == "error":
            raise InputError(file, f'line {number}: {made}: no such file; `missing="skip"` leaves it out')
        else:
            without_pred.append(name)
    if not pairs:
        raise InputError(file, "lists no pair of files that exist; write two paths per line")
    return Pairing(tuple(pairs.values()), tuple(without_pred))


def _unlike_a_path(number: int, parts: Sequence[str]) -> str:
    """What else a line of a list may be that names no files, and the mend."""
    if "\\" in "".join(parts):
        return "; write / between folders"
    heading = number == 1 and not any(Path(part).suffix for part in parts)
    return "; remove the line if it is a heading" if heading else ""


def paired_files(preds: Sequence[Path], gts: Sequence[Path]) -> Pairing:
    """Predictions and ground truths in the order of two lists.

    Choice: a pair is named by its ground truth's path without suffix, as seen from the folder that holds all of them.
    Raises: InputError: two pairs of one name. ConfigError: lists of different lengths, or empty ones.
    """
    if len(preds) != len(gts) or not gts:
        raise ConfigError("predictions", f"{len(preds)} files for {len(gts)} ground truths; list as many of both")
    folders = [gt.absolute().parent for gt in gts]
    root = Path(os.path.commonpath(folders))
    pairs: dict[str, Pair] = {}
    for pred, gt, folder in zip(preds, gts, folders, strict=True):
        name = _name((folder / gt.name).relative_to(root))
        if name in pairs:
            mend = "list each once" if gt == pairs[name].gt else "rename one of the files"
            raise InputError(None, f"{pairs[name].gt} and {gt}: both would be named {name}; {mend}")
        pairs[name] = Pair(name, pred, gt)
    return Pairing(tuple(pairs.values()))


def paged(pairing: Pairing) -> Pairing:
    """With each pair of stacks, TIFF files of several pages, replaced by a pair per page.

    Choice: a page is named by its number behind the files' name, from 1 on and with zeros in front, so that names sort:
        `scan/01`. Files that do not have as many pages as each other stay one pair, with a fault; so does a stack that
        is cut short.
    Returns: the pairs in the order of the files, pages in theirs.
    Raises:  InputError: a page of a stack is named as another pair is.
    """
    pairs = [page for pair in pairing.pairs for page in _pages(pair)]
    if len(pairs) > len(pairing.pairs):
        first: dict[str, Pair] = {}
        for pair in pairs:
            other = first.setdefault(pair.name, pair)
            if other is not pair:
                raise InputError(
                    None, f"{other.gt} and {pair.gt}: both would be named {pair.name}; rename one of the files"
                )
    return dataclasses.replace(pairing, pairs=tuple(pairs))


def _pages(pair: Pair) -> list[Pair]:
    if not isinstance(pair.pred, Path) or not isinstance(pair.gt, Path):
        return [pair]
    try:
        preds, gts = pages_of(pair.pred), pages_of(pair.gt)
    except InputError as error:
        return [dataclasses.replace(pair, fault=str(error))]
    count = len(gts)
    if max(len(preds), 1) != max(count, 1):
        fault = f"{pair.pred}: {_count(pair.pred, preds)}, but {_count(pair.gt, gts)} in {pair.gt}; write as many"
        return [dataclasses.replace(pair, fault=fault)]
    if count <= 1:
        return [pair]
    return [Pair(f"{pair.name}/{gt.number:0{len(str(count))}}", pred, gt) for pred, gt in zip(preds, gts, strict=True)]


def _count(path: Path, pages: Sequence[Page]) -> str:
    if not pages and path.suffix.lower() in STACK_SUFFIXES:
        return "no page that can be read"
    return f"{len(pages)} pages" if len(pages) > 1 else "1 page"


def _name(path: str | Path) -> str:
    path = Path(path)
    return nfc((path.with_suffix("") if path.name else path).as_posix())  # "." and "/" have no name
