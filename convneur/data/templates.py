"""Templates of file names: what the names of predictions and of ground truth have in common."""

import difflib
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from convneur.data.folders import nearest
from convneur.data.labels import LABEL_SUFFIXES
from convneur.errors import ConfigError

__all__ = ["Template", "template_hint"]

_ALIKE = {".tif": (".tif", ".tiff"), ".tiff": (".tif", ".tiff")}
_MOST = 5000  # names that a hint is looked for among
_TRIED = 3  # names that hints are made of


@dataclass(frozen=True)
class Template:
    """What a relative path without suffix looks like.

    Args: setting: that says it, for messages; text: as it was given; suffixes: of the files that it means.
    """

    setting: str
    text: str
    pattern: re.Pattern[str]
    suffixes: tuple[str, ...]

    @classmethod
    def of(cls, setting: str, text: str) -> "Template":
        """A template such as `{stem}_gtFine_labelIds`, or `**/{stem}.png` for PNG files in any folder.

        Raises: ConfigError: not one `{stem}`.
        """
        before, stem, after = text.partition("{stem}")
        if not stem or "{" in before + after:
            raise ConfigError(setting, "must hold {stem} once, such as {stem}_gtFine_labelIds", value=text)
        typed = Path(f"_{after}").suffix
        suffix = typed.lower()
        if suffix in LABEL_SUFFIXES:
            after = after[: -len(typed)]
        anywhere = before.startswith("**/")
        start, stem = ("(?:.*/)?", "[^/]+") if anywhere else ("", ".+")
        pattern = f"{start}{re.escape(before.removeprefix('**/'))}(?P<stem>{stem}){re.escape(after)}"
        suffixes = _ALIKE.get(suffix, (suffix,)) if suffix in LABEL_SUFFIXES else LABEL_SUFFIXES
        return cls(setting, text, re.compile(pattern, re.DOTALL), suffixes)

    def stem(self, name: str) -> str | None:
        """What a name, a relative path without suffix, has in common with its partner's; None: another name."""
        found = self.pattern.fullmatch(name)
        return found["stem"] if found else None


def template_hint(
    preds: Collection[str], gts: Collection[str], given: tuple[Sequence[str], Sequence[str]], *, pairs: int
) -> str | None:
    """Templates that would pair more names than are paired now, in words; each was tried on all names.

    Args: preds, gts: names of the files, relative paths without suffix; given: the templates by which they are paired
        now; pairs: how many have a partner so.
    """
    if max(len(preds), len(gts)) > _MOST:
        return None
    best, most = None, pairs
    for candidate in _candidates(sorted(preds), sorted(gts)):
        # Where a side's own templates hold the candidate they stay as they are, and nothing has to be typed.
        sides = [now if text in now else [text] for text, now in zip(candidate, given, strict=True)]
        stems = [_stems(texts, names) for texts, names in zip(sides, (preds, gts), strict=True)]
        found = len(stems[0] & stems[1])
        if found > most:
            best, most = sides, found
        if most == len(gts):
            break
    if best is None or 2 * most <= len(gts):  # a few pair by chance
        return None
    asked = zip(("pred_name", "gt_name"), best, given, strict=True)
    typed = [f'`{setting}="{texts[0]}"`' for setting, texts, now in asked if texts is not now]
    return f"{' and '.join(typed)} would pair {most} of {len(gts)}"


def _candidates(preds: Sequence[str], gts: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(template of predictions, of ground truth), the plainest first."""
    yield from (("{stem}", "{stem}"), ("{stem}", "**/{stem}"), ("**/{stem}", "{stem}"), ("**/{stem}", "**/{stem}"))
    seen = set()
    least = 0.5 if len(gts) == 1 else 0.0  # one pair has no others to try a template on
    for folders in ("", "**/"):
        here, there = ([_base(name) if folders else name for name in names] for names in (preds, gts))
        for gt in there[:: max(len(there) // _TRIED, 1)]:
            for pred in nearest(gt, here, _TRIED):
                for pair in _made(pred, gt, least):
                    if pair not in seen and all(_plain(text) for text in pair):
                        seen.add(pair)
                        yield f"{folders}{pair[0]}", f"{folders}{pair[1]}"


def _made(pred: str, gt: str, least: float) -> Iterator[tuple[str, str]]:
    """Templates by which two names are partners: what is common to them is the stem.

    Args: least: share of the shorter name that has to be common.
    """
    for longer, shorter, turned in ((gt, pred, False), (pred, gt, True)):
        if shorter in longer:
            before, _, after = longer.partition(shorter)
            texts = ("{stem}", f"{before}{{stem}}{after}")
            yield texts[::-1] if turned else texts
    start, end = _common(pred, gt), _common(pred[::-1], gt[::-1])
    most = max(least * min(len(pred), len(gt)), 1)
    if start >= most:
        yield f"{{stem}}{pred[start:]}", f"{{stem}}{gt[start:]}"
    if end >= most:
        yield f"{pred[:-end]}{{stem}}", f"{gt[:-end]}{{stem}}"
    match = difflib.SequenceMatcher(None, pred, gt, autojunk=False).find_longest_match()
    if match.size >= most:
        a, b, size = match
        yield f"{pred[:a]}{{stem}}{pred[a + size :]}", f"{gt[:b]}{{stem}}{gt[b + size :]}"


def _plain(text: str) -> bool:
    """Whether a template can be typed within double quotes as it is, and read back."""
    return not re.search(r"[^\w\s{}/.,;:+=@#%()\[\]~&*' -]|[\n\r]", text) and text.count("{") == text.count("}") == 1


def _stems(texts: Sequence[str], names: Collection[str]) -> set[str]:
    """What the names have in common with their partners'; nothing where two names would be one."""
    templates = [Template.of("name", text) for text in texts]
    fits: Counter[tuple[int, str]] = Counter()
    for name in names:
        stems = ((rank, stem) for rank, each in enumerate(templates) if (stem := each.stem(name)) is not None)
        if (fit := next(stems, None)) is not None:
            fits[fit] += 1
    return {stem for _, stem in fits} if not fits or max(fits.values()) == 1 else set()


def _common(one: str, other: str) -> int:
    """How many characters two names have in common at their beginning."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _base(name: str) -> str:
    return name.rpartition("/")[2]
