"""Pairs of a ground truth and a prediction: by file name, or as a file lists them."""

import csv
import dataclasses
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from convneur.data.labels import LABEL_SUFFIXES
from convneur.data.stacks import STACK_SUFFIXES, Page, pages_of
from convneur.errors import ConfigError, InputError

__all__ = ["Pair", "Pairing", "find_pairs", "label_files", "listed_pairs", "paged", "paired_files"]

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
    """pairs: by name. without_pred, without_gt: names that one side lacks. links: that lead out of a folder."""

    pairs: tuple[Pair, ...]
    without_pred: tuple[str, ...]
    without_gt: tuple[str, ...]
    links: tuple[Path, ...]


def find_pairs(
    pred: Path,
    gt: Path,
    *,
    missing: Missing = "error",
    pred_names: Sequence[str] = ("{stem}",),
    gt_names: Sequence[str] = ("{stem}",),
) -> Pairing:
    """Pair predictions with ground truth: two files as they are, two folders by what their names have in common.

    Choice: only files with a suffix of a label map count, at any depth; hidden ones do not, nor links that lead out of
        the folder. A template says what a relative path without suffix looks like: `{stem}_gtFine_labelIds`; `**/` at
        its beginning leaves folders out of the comparison. Of several templates a file takes the first that fits; of
        files with one stem the one with the earlier template counts. A prediction without a ground truth is left aside.
    Args:    pred, gt: two files or two folders; missing: what a ground truth without a prediction is; pred_names,
        gt_names: templates of the names.
    Returns: the pairs in the order of their names.
    Raises:  InputError: a ground truth without a prediction unless skipped, no pair at all, an empty folder, two files
        of one name. ConfigError: a file and a folder, a template without `{stem}`.
    """
    patterns = [_pattern("pred_name", each) for each in pred_names], [_pattern("gt_name", each) for each in gt_names]
    if pred.is_dir() != gt.is_dir():
        raise ConfigError(
            "predictions",
            "one is a folder, the other a file; give two files or two folders",
            value=f"{pred} and {gt}",
        )
    if not pred.is_dir():
        return Pairing((Pair(_text(gt.with_suffix("").name), pred, gt),), (), (), ())
    preds, pred_links = _label_files(pred, patterns[0], pred_names)
    gts, gt_links = _label_files(gt, patterns[1], gt_names)
    without_pred = tuple(name for name in gts if name not in preds)
    if without_pred and (missing == "error" or len(without_pred) == len(gts)):
        skip = "" if len(without_pred) == len(gts) else ', or `missing="skip"` leaves these out'
        links = f"; {len(pred_links)} links that lead elsewhere are not followed" if pred_links else ""
        raise InputError(
            pred,
            f"no prediction for {len(without_pred)} of {len(gts)} ground truths ({_some(without_pred)}); names "
            f"must be equal but for the suffix{skip}{links}",
        )
    pairs = tuple(Pair(name, preds[name], path) for name, path in gts.items() if name in preds)
    return Pairing(pairs, without_pred, tuple(name for name in preds if name not in gts), pred_links + gt_links)


def listed_pairs(file: Path, pred: Path, gt: Path, *, missing: Missing = "error") -> Pairing:
    """The pairs that a text file lists: a prediction and its ground truth per line, a tab or a comma between them.

    Choice: a line with a tab is divided there, any other as CSV, so that a name with a comma can stand in quotes. A
        pair is named by its ground truth as listed, without suffix; links are followed, since they were named.
    Args:    pred, gt: folders from which relative paths lead; missing: what a prediction that does not exist is.
    Returns: the pairs in the order of the list.
    Raises:  InputError: a line that is not two paths, a name listed twice, a file that does not exist, an empty list.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")  # other line ends may be in a name
    except UnicodeDecodeError:
        raise InputError(file, "is no UTF-8 text; write two paths per line") from None
    pairs: dict[str, Pair] = {}
    without_pred = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        parts = [part.strip() for part in (line.split("\t") if "\t" in line else next(csv.reader([line])))]
        if len(parts) != 2 or not all(parts):
            raise InputError(file, f"line {number}: give a prediction, a tab or comma, and its ground truth")
        name, made, true = _text(Path(parts[1]).with_suffix("").as_posix()), pred / parts[0], gt / parts[1]
        if name in pairs or name in without_pred:
            raise InputError(file, f"line {number}: {name} is listed before; list it once")
        if not true.is_file():
            raise InputError(file, f"line {number}: {true}: no such file")
        if made.is_file():
            pairs[name] = Pair(name, made, true)
        elif missing == "error":
            raise InputError(file, f'line {number}: {made}: no such file; `missing="skip"` leaves it out')
        else:
            without_pred.append(name)
    if not pairs:
        raise InputError(file, "lists no pair of files that exist; write two paths per line")
    return Pairing(tuple(pairs.values()), tuple(without_pred), (), ())


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
        name = _text((folder / gt.name).relative_to(root).with_suffix("").as_posix())
        if name in pairs:
            raise InputError(None, f"{pairs[name].gt} and {gt}: both would be named {name}; list each once")
        pairs[name] = Pair(name, pred, gt)
    return Pairing(tuple(pairs.values()), (), (), ())


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


def label_files(folder: Path) -> dict[str, Path]:
    """The label maps under a folder by relative path without suffix, chosen as `find_pairs` chooses them.

    Raises: InputError: no label map in it, or two files of one name.
    """
    return _label_files(folder, [_pattern("name", "{stem}")], ["{stem}"])[0]


def _pattern(setting: str, template: str) -> re.Pattern[str]:
    before, stem, after = template.partition("{stem}")
    if not stem or "{" in before + after:
        raise ConfigError(setting, "must hold {stem} once, such as {stem}_gtFine_labelIds", value=template)
    anywhere = before.startswith("**/")
    after = after[: -len(suffix)] if (suffix := Path(after).suffix.lower()) in LABEL_SUFFIXES else after
    start = "(?:.*/)?" if anywhere else ""
    stem = "[^/]+" if anywhere else ".+"
    return re.compile(f"{start}{re.escape(before.removeprefix('**/'))}(?P<stem>{stem}){re.escape(after)}")


def _label_files(
    folder: Path, patterns: Sequence[re.Pattern[str]], templates: Sequence[str]
) -> tuple[dict[str, Path], tuple[Path, ...]]:
    """Label maps under a folder, stem -> path in the order of the stems, and links left out."""
    root = folder.resolve()
    files: dict[str, tuple[int, Path]] = {}
    left_out: list[Path] = []
    seen = 0
    for place, folders, names in os.walk(folder, onerror=_unreadable):
        # os.walk does not enter links to folders, which may lead in circles.
        left_out += [Path(place) / name for name in folders if (Path(place) / name).is_symlink()]
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(place) / name
            if name.startswith(".") or path.suffix.lower() not in LABEL_SUFFIXES:
                continue
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                left_out.append(path)
                continue
            seen += 1
            key = _text(path.relative_to(folder).with_suffix("").as_posix())
            fits = ((rank, fit["stem"]) for rank, pattern in enumerate(patterns) if (fit := pattern.fullmatch(key)))
            rank, stem = next(fits, (len(patterns), ""))
            if rank == len(patterns):
                continue
            earlier, other = files.get(stem, (len(patterns), path))
            if earlier == rank:
                raise InputError(None, f"{other} and {path}: equal names but for the suffix; keep one of them")
            if rank < earlier:
                files[stem] = rank, path
    if not files:
        found = f"; {len(left_out)} links that lead elsewhere are not followed" if left_out else ""
        if seen:
            raise InputError(folder, f"none of its {seen} label maps is named {' or '.join(templates)}{found}")
        raise InputError(folder, f"no label map in it (a file that ends in {', '.join(LABEL_SUFFIXES)}){found}")
    return {stem: path for stem, (_, path) in sorted(files.items())}, tuple(sorted(left_out))


def _unreadable(error: OSError) -> None:
    raise InputError(error.filename, f"cannot be read ({error.strerror})") from None


def _text(name: str) -> str:
    """A name that can be printed and written: bytes that are no UTF-8 become escapes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
