"""Pairs of a ground truth and a prediction, by file name."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from convneur.data.labels import LABEL_SUFFIXES
from convneur.errors import ConfigError, InputError

__all__ = ["Pair", "Pairing", "find_pairs"]


@dataclass(frozen=True)
class Pair:
    """name: relative path without suffix, what the two files have in common."""

    name: str
    pred: Path
    gt: Path


@dataclass(frozen=True)
class Pairing:
    """pairs: by name. without_pred, without_gt: names that one side lacks. links: that lead out of a folder."""

    pairs: tuple[Pair, ...]
    without_pred: tuple[str, ...]
    without_gt: tuple[str, ...]
    links: tuple[Path, ...]


def find_pairs(pred: Path, gt: Path, *, missing: Literal["error", "skip"] = "error") -> Pairing:
    """Pair predictions with ground truth: two files as they are, two folders by relative path without suffix.

    Choice: only files with a suffix of a label map count, at any depth; hidden ones do not, nor links that lead out of
        the folder. A prediction without a ground truth is left aside.
    Args:    pred, gt: two files or two folders; missing: what a ground truth without a prediction is.
    Returns: the pairs in the order of their names.
    Raises:  InputError: a ground truth without a prediction unless skipped, no pair at all, an empty folder, two files
        of one name. ConfigError: a file and a folder.
    """
    if pred.is_dir() != gt.is_dir():
        raise ConfigError(f"{pred} and {gt}: one is a folder, the other a file; give two files or two folders")
    if not pred.is_dir():
        return Pairing((Pair(_text(gt.with_suffix("").name), pred, gt),), (), (), ())
    preds, pred_links = _label_files(pred)
    gts, gt_links = _label_files(gt)
    without_pred = tuple(name for name in gts if name not in preds)
    if without_pred and (missing == "error" or len(without_pred) == len(gts)):
        skip = "" if len(without_pred) == len(gts) else ", or --missing skip leaves these out"
        links = f"; {len(pred_links)} links that lead elsewhere are not followed" if pred_links else ""
        raise InputError(
            f"{pred}: no prediction for {len(without_pred)} of {len(gts)} ground truths ({_some(without_pred)}); names "
            f"must be equal but for the suffix{skip}{links}"
        )
    pairs = tuple(Pair(name, preds[name], path) for name, path in gts.items() if name in preds)
    return Pairing(pairs, without_pred, tuple(name for name in preds if name not in gts), pred_links + gt_links)


def _label_files(folder: Path) -> tuple[dict[str, Path], tuple[Path, ...]]:
    """Label maps under a folder, name -> path in the order of the names, and links left out."""
    root = folder.resolve()
    files: dict[str, Path] = {}
    left_out: list[Path] = []
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
            key = _text(path.relative_to(folder).with_suffix("").as_posix())
            if key in files:
                raise InputError(f"{files[key]} and {path}: equal names but for the suffix; keep one of them")
            files[key] = path
    if not files:
        found = f"; {len(left_out)} links that lead elsewhere are not followed" if left_out else ""
        raise InputError(f"{folder}: no label map in it (a file that ends in {', '.join(LABEL_SUFFIXES)}){found}")
    return dict(sorted(files.items())), tuple(sorted(left_out))


def _unreadable(error: OSError) -> None:
    raise InputError(f"{error.filename}: cannot be read ({error.strerror})") from None


def _text(name: str) -> str:
    """A name that can be printed and written: bytes that are no UTF-8 become escapes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
