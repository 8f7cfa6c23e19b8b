"""A study in one call: begun, or gone on with where it stopped."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from convneur.data.examples import Task
from convneur.data.limits import MAX_PIXELS
from convneur.errors import ConfigError
from convneur.progress import Progress, silent
from convneur.study.plan import StudyPlan
from convneur.study.twins import TWINS, Twins, read_seeds, read_twins, refuse_shared_folders, same_models
from convneur.training import Asked, prepare_data, run_folder
from convneur.variants import ConvNeurConfig

if TYPE_CHECKING:
    from convneur.study.result import StudyResult

__all__ = ["run_study"]

_SEEDS, _MINUTES = 3, 20.0


def run_study(
    data: str | Path,
    *,
    out: str | Path,
    twins: Twins | None = None,
    seeds: int | str | Iterable[int] | None = None,
    folds: int | None = None,
    split: str | None = None,
    task: Task | None = None,
    model: str | Path | ConvNeurConfig | None = None,
    recipe: str | Path | None = None,
    init: str | Path | None = None,
    preset: str | None = None,
    classes: str | Path | Sequence[str] | None = None,
    ignore_index: int | str | None = None,
    colours: str | Path | None = None,
    follow_links: bool = False,
    epochs: float | None = None,
    minutes: float | None = None,
    precision: Literal["auto", "fp32", "bf16"] | None = None,
    device: Literal["auto", "cpu"] = "auto",
    workers: int = 2,
    max_pixels: int = MAX_PIXELS,
    validate_every: int | None = None,
    resume: bool = False,
    force: bool = False,
    progress: Progress = silent,
    **values: Any,
) -> "StudyResult":
    """Train models that differ in one thing on the same images in the same order, by turns, and compare their tests.

    `out` gets study.html, study.md, study.json and study.csv after each seed, and under runs/ a folder for each twin
    and seed as `convneur.training.train` makes it. A study that was stopped, by Ctrl-C, a crash or kill -9, goes on
    with `resume`, here or by `convneur study`; no finished run is made again, and the result is the same to the last
    bit.

    Args:
        data, task, model, recipe, init, preset, classes, ignore_index, colours, follow_links, precision, device,
            workers, max_pixels, validate_every, values: as `train` takes them, the same for all runs; but the seed.
        out: folder of the study.
        twins: what is compared, see `read_twins`; the first is what the others are compared with.
        seeds: how many (3 by default), or which.
        folds: test on each of so many folds of train and val in turn, by fresh models.
        split: test on this split; by default test if there is one, else val.
        epochs, minutes: how long each run is: how often an image is seen, or (by default 20) about how long a run of
            the mean twin takes, made a number of steps that is equal for all.
        resume: go on with the study in `out`; what is given must be what it was begun with, but twins and seeds may
            name more. force: begin again where `out` holds a study.
    Returns: what the study came to; runs that diverged are in its `failed`.
    Raises:
        ConfigError, InputError, KeyboardInterrupt: as `train`; a twin that cannot be; no run came to its end.

    >>> run_study("camvid", out="studies/camvid", seed=1)
    Traceback (most recent call last):
    convneur.errors.ConfigError: seed 1: a study has several; name them with `seeds`
    """
    if "seed" in values:
        raise ConfigError("seed", "a study has several; name them with `seeds`", value=values["seed"])
    if task == "detection":
        raise ConfigError("task", "a study compares models of segmentation or classification", value=task)
    if folds is not None and split is not None:
        raise ConfigError("split", "with `folds` each fold is tested on; leave one of them out", value=split)
    if folds is not None and folds < 2:
        raise ConfigError("folds", "must be at least 2", value=folds)
    asked = Asked.of(
        data=data,
        out=out,
        task=task,
        model=model,
        recipe=recipe,
        init=init,
        preset=preset,
        classes=classes,
        ignore_index=ignore_index,
        colours=colours,
        follow_links=follow_links,
        epochs=epochs,
        minutes=minutes,
        precision=precision,
        validate_every=validate_every,
        workers=workers,
        resume=resume,
        force=force,
        **values,
    )
    folder = Path(out)
    begun = StudyPlan.read(folder) if resume else None
    if begun is None:
        request, base, settings = asked.begin(minutes=_MINUTES if epochs is None else None)
        named = TWINS if twins is None else twins
        asked.refuse_overridden(lambda config: read_twins(named, config), "twins")
        configs = read_twins(named, base)
        drawn = read_seeds(_SEEDS if seeds is None else seeds)
    else:
        asked.refuse_changes(folder, begun.run, "study", folds=(folds, begun.folds), split=(split, begun.split))
        request, base, settings = begun.run.request, begun.run.config, begun.run.settings
        folds, split = begun.folds, begun.split
        configs = _more_twins(begun, twins, base)
        drawn = tuple(dict.fromkeys((*begun.seeds, *(() if seeds is None else read_seeds(seeds)))))
    for one, other in same_models(configs):
        progress.warn(f"twins {one} and {other} are the same model")

    from convneur.study.scores import find_test_images
    from convneur.study.work import REPORTS, Study, old_study_removed, twins_with_costs
    from convneur.training import start_engine

    accelerator = start_engine(device)
    if accelerator.num_processes > 1:
        raise ConfigError("study", "runs in one process; start it without the launcher")
    if settings.batch % settings.accumulate:
        raise ConfigError("batch", f"must be a multiple of {settings.accumulate} (`accumulate`)", value=settings.batch)
    replaced = ("config.json", *REPORTS)  # beside what lies in `runs`
    with run_folder(
        folder, resume=resume, force=force, kind="study", replaced=replaced, removed=old_study_removed
    ) as held:
        found = prepare_data(
            Path(data),
            request.task,
            preset=request.preset,
            classes=request.classes,
            ignore_index=request.ignore_index,
            colours=request.colour_table,
            follow_links=follow_links or request.follow_links,
            threads=workers,
            max_pixels=max_pixels,
            begun=None if begun is None else begun.run,
            progress=progress,
        )
        configs = {name: config.replace(num_classes=len(found.names)) for name, config in configs.items()}
        study = Study(
            out=folder,
            request=request,
            base=base,
            data=found,
            test=find_test_images(
                Path(data),
                found,
                request.task,
                split=split,
                folds=folds,
                follow_links=follow_links or request.follow_links,
                threads=workers,
                progress=progress,
            ),
            settings=settings,
            twins=twins_with_costs(configs, settings.crop),
            seeds=drawn,
            split=split,
            accelerator=accelerator,
            workers=workers,
            progress=progress,
        )
        if begun is None:
            study.check(force=force)
            study.announce_runs()
            study.decide()
            held.begin(study.plan.to_dict())
        else:
            study.recall(begun, data)
            study.announce_runs()
            held.keep(study.plan.to_dict())
        study.announce_times()
        study.go()
    for name in REPORTS:
        progress.note(f"written: {folder / name}")
    return study.result()


def _more_twins(begun: StudyPlan, twins: Twins | None, base: ConvNeurConfig) -> dict[str, ConvNeurConfig]:
    """Those that the study was begun with, and those that are named now."""
    more = {} if twins is None else read_twins(twins, base)
    for name, config in more.items():
        known = begun.twins.get(name)
        if known is not None and config.replace(num_classes=known.num_classes) != known:
            raise ConfigError("twins", "the study was begun with another model of this name; rename it", value=name)
    together = {**begun.twins, **{name: config for name, config in more.items() if name not in begun.twins}}
    refuse_shared_folders(together)
    return together
