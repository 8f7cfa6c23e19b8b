"""Figures of picked images as files, and the same images for the report, each scene made once."""

import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from convneur.errors import ConfigError, InputError, OutputExistsError
from convneur.evaluation.scenes import ImagePick, Scenes, image_folder, ranking_by
from convneur.figures import Scene
from convneur.files import new_file, new_folder, output_path, refuse_existing
from convneur.metrics import BoundarySettings
from convneur.progress import Progress

__all__ = ["PAGE_SUFFIXES", "Drawing", "drawn"]

PAGE_SUFFIXES = (".html", ".htm")


@dataclass(frozen=True)
class Drawing:
    """What to draw, as `evaluate` takes it."""

    figures: Path | None = None
    report: Path | None = None
    images: Path | None = None
    figures_by: str | None = None
    figures_count: int = 3
    follow_links: bool = False

    @property
    def asked(self) -> bool:
        return self.figures is not None or self.report is not None

    def check(self, settings: BoundarySettings, *, force: bool) -> None:
        """Refuse before any work. Raises: ConfigError; InputError: an output that exists."""
        if not self.asked:
            for setting in ("images", "figures_by", "figures_count"):
                if getattr(self, setting) != getattr(Drawing, setting):
                    raise ConfigError(setting, "says what is drawn; give `figures` or `report` too")
            return
        if self.figures_count < 1:
            raise ConfigError("figures_count", "must be at least 1", value=self.figures_count)
        image_folder(self.images, follow_links=self.follow_links)
        if self.figures is not None:
            if os.path.lexists(self.figures) and not self.figures.is_dir():
                raise InputError(self.figures, "is a file; `figures` is a folder")
            if self.figures.is_dir() and any(self.figures.iterdir()) and not force:
                raise OutputExistsError(self.figures, "exists already and is not empty", "folder")
        if self.report is not None:
            if self.report.suffix.lower() not in PAGE_SUFFIXES:
                raise ConfigError("report", "must end in .html", value=self.report)
            refuse_existing(self.report, force=force)
        ranking_by("figures_by", self.figures_by, settings)


def drawn(
    scenes: Scenes, picks: Sequence[ImagePick], drawing: Drawing, *, force: bool, progress: Progress
) -> Generator[Scene, None, None]:
    """The scene of each pick, one at a time, behind its figure if those are asked for.

    Raises: InputError: a figure that exists, or cannot be written.
    """
    from convneur.figures import boundary_figure, save_figure

    if drawing.figures is not None:
        new_folder(drawing.figures)
    with progress.steps("drawing", len(picks)) as advance:
        for pick in picks:
            scene = scenes.scene(pick.name, pick.heading)
            if drawing.figures is not None:
                figure = boundary_figure(scene)
                with new_file(output_path(drawing.figures, pick.stem, ".png"), force=force) as temporary:
                    save_figure(figure, temporary, dpi=int(figure.dpi))
                figure.clear()  # its parts hold each other, and the pictures, until a collection happens to come
            yield scene
            advance(pick.name)
