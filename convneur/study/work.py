"""A study in its folder: what was decided, the runs by turns, and what they came to by now."""

import dataclasses
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from accelerate import Accelerator

from convneur.cost import CountingError, ModelCounter
from convneur.data.examples import survey
from convneur.errors import ConfigError, InputError
from convneur.files import new_text, refuse_existing
from convneur.formats import grouped, millions, plural
from convneur.progress import Advance, Progress, ProgressLines
from convneur.results import ReadOnly
from convneur.study.findings import Twin, findings
from convneur.study.plan import StudyPlan
from convneur.study.result import METRICS, RunResult, StudyResult
from convneur.study.runs import StudyRun, remainder, run_groups, turns
from convneur.study.scores import (
    RunScores,
    TestImages,
    check_names,
    clear_tests,
    is_labelled,
    label_images,
    score_run,
)
from convneur.training import (
    RunPlan,
    RunRequest,
    StepTime,
    Trainer,
    TrainingData,
    TrainSettings,
    asked_to_stop,
    clear_run,
    faster_precision,
    new_model,
    read_result,
    run_folder,
    steps_done,
)
from convneur.variants import ConvNeurConfig

__all__ = ["REPORTS", "Study", "mean_step_time", "old_study_removed", "twins_with_costs"]

REPORTS = ("study.html", "study.md", "study.json", "study.csv")
_SAVE_EVERY = 100  # steps, as train's
_FEW = 3  # steps that a time left is judged by
_OTHER = "holds another run; remove it, or choose another `out`"


class _Muted(ProgressLines):
    """For what was said of the first run already."""

    def note(self, line: str) -> None:
        pass


_MUTED = _Muted(every=math.inf)


def twins_with_costs(configs: Mapping[str, ConvNeurConfig], views: tuple[int, int]) -> dict[str, Twin]:
    """Each twin with its parameters and multiply-adds at the size of the views.

    Raises: ConfigError: a model that refuses this size.
    """
    found = {}
    for name, config in configs.items():
        counter = ModelCounter(config)
        try:
            found[name] = Twin(name, config, counter.params, counter.at(*views).macs_full)
        except CountingError as error:
            raise ConfigError("twins", str(error), value=name) from None
    return found


def mean_step_time(times: Iterable[StepTime]) -> StepTime:
    """How long a step takes of models that are trained by turns."""
    known = list(times)
    return StepTime(statistics.fmean(each.step for each in known), statistics.fmean(each.image for each in known))


@dataclass
class Study:
    """A study at work in a folder.

    Args:
        base: what the twins are changes of. data: without folds. settings: of all runs, but for the seed.
        stop: asked whether to end early. steps, validate_every, precision, step_times: decided once, see `decide`.
        failed: run -> why; scores: of the runs that came to their end.
    """

    out: Path
    request: RunRequest
    base: ConvNeurConfig
    data: TrainingData
    test: TestImages
    settings: TrainSettings
    twins: Mapping[str, Twin]
    seeds: Sequence[int]
    split: str | None
    accelerator: Accelerator
    workers: int
    progress: Progress
    stop: Callable[[], bool] = lambda: False
    steps: int = 0
    validate_every: int = 0
    precision: Literal["fp32", "bf16"] = "fp32"
    step_times: dict[str, StepTime] = field(default_factory=dict)
    failed: dict[StudyRun, str] = field(default_factory=dict)
    scores: dict[StudyRun, RunScores] = field(default_factory=dict)
    _parts: dict[int, TrainingData] = field(default_factory=dict)

    @property
    def groups(self) -> list[list[StudyRun]]:
        return run_groups(list(self.twins), self.seeds, self.test.folds)

    @property
    def runs(self) -> list[StudyRun]:
        return [run for group in self.groups for run in group]

    def check(self, *, force: bool) -> None:
        """What can be known before anything old goes.

        Raises: InputError: a run or a report is there, and it is not forced; weights to begin from that do not fit; a
            test image of which no label map can be written.
        """
        refuse_existing(*(self.out / name for name in REPORTS), force=force)
        old = RunPlan.is_in(self.out)  # then what is in its runs is of an old study too
        for run in self.runs:
            folder = self.folder(run)
            check_names(folder, self.test.of(run.fold))
            found = [] if old else [path.name for path in folder.glob("[!.]*")]
            with run_folder(folder, resume=False, force=force, replaced=found):
                pass  # nobody else trains in it
        if self.request.init is not None:
            if Path(self.request.init).is_relative_to((self.out / "runs").resolve()):
                raise ConfigError("init", "lies in the study that would go; copy it elsewhere", value=self.request.init)
            for twin in self.twins.values():
                new_model(twin.config, self.seeds[0], init=self.request.init, progress=_MUTED)

    def decide(self) -> None:
        """Precision and steps, the same for all twins, by steps of each on copies of the models."""
        data, request = self.data_of(0 if self.test.folds else None), self.request
        minutes = request.minutes
        self.steps = self.settings.steps(len(data.train))
        self.precision = "bf16" if request.precision == "bf16" else "fp32"
        if request.precision == "auto":
            full: dict[str, StepTime] = {}

            def step_time(precision: Literal["fp32", "bf16"]) -> float:
                times = self._profiled(precision, _FEW, limits=full)
                full.update(times)
                return mean_step_time(times.values()).step

            self.precision = faster_precision(self.accelerator, step_time, self.progress)
        self.step_times = self._profiled(self.precision, None if minutes else _FEW, minutes=minutes)
        self.validate_every = request.steps_between_validations(self.steps)
        if minutes:
            mean = mean_step_time(self.step_times.values())
            self.steps, self.validate_every = mean.plan(60 * minutes, len(data.val), request.validate_every)
            epochs = self.steps * self.settings.batch / len(data.train)
            self.settings = dataclasses.replace(self.settings, epochs=epochs)
            steps = plural(self.steps, "step")
            self.progress.note(f"{minutes:g} min hold {steps} of {mean.step:.3g} s, the mean of the twins")
        self.request = dataclasses.replace(request, epochs=None if minutes else self.settings.epochs)

    def recall(self, plan: StudyPlan, where: str | Path) -> None:
        """What was decided when the study was begun. Args: where: its data lie now.

        Raises: ConfigError: it was begun with other images.
        """
        plan.run.refuse_other_images(self.out, self._everything, where, kind="study")
        run = plan.run
        self.steps, self.validate_every, self.precision = run.steps, run.validate_every, run.precision
        self.step_times = dict(plan.step_times)
        self.step_times |= self._profiled(
            self.precision, _FEW, only=[name for name in self.twins if name not in self.step_times]
        )

    @property
    def plan(self) -> StudyPlan:
        """All that the study goes on from."""
        run = RunPlan.of(
            self.request,
            self.base,
            self.settings,
            self.data,
            steps=self.steps,
            validate_every=self.validate_every,
            precision=self.precision,
        )
        return StudyPlan(
            run=dataclasses.replace(
                run,
                images=self._everything.fingerprint,
                contents=self._everything.contents,
                validated=len(self._everything.val),
            ),
            twins={name: twin.config for name, twin in self.twins.items()},
            seeds=tuple(self.seeds),
            folds=self.test.folds,
            split=self.split,
            step_times=self.step_times,
        )

    def announce_runs(self) -> None:
        """What will be trained on what, before a step is timed."""
        data = self.data_of(0 if self.test.folds else None)
        done = sum(0 < self.steps <= steps_done(self.folder(run)) for run in self.runs)
        folds = f" x {self.test.folds} folds" if self.test.folds else ""
        self._say(
            ("runs", f"{len(self.runs)}: {plural(len(self.twins), 'twin')} x {plural(len(self.seeds), 'seed')}{folds}; "
                     f"{done} finished"),
            ("images", f"{len(data.train)} to train, {len(data.val)} to validate, {self.test.count} to test "
                       f"({f'{self.test.folds} folds' if self.test.folds else f'split {self.test.split}'}), "
                       f"{len(data.names)} classes"),
        )  # fmt: skip

    def announce_times(self) -> None:
        """How long each run is and all will take, before the first step."""
        settings, runs = self.settings, self.runs
        # Weights, their average and two moments, and the weights that are kept.
        disk = sum(5 * 4 * self.twins[run.twin].params for run in runs)
        self._say(
            ("steps", f"{grouped(self.steps)} in each run, of {settings.batch} views of "
                      f"{settings.crop[0]}x{settings.crop[1]}, {settings.epochs:.3g} epochs, validated every "
                      f"{self.validate_every}"),
            ("on", f"{self.accelerator.device.type}, {self.precision}"),
            *(("twin", f"{name}: {millions(twin.params)} M parameters, {twin.macs / 1e9:.3g} GMACs at the views' "
                       f"size, {self.step_times[name].step:.3g} s a step") for name, twin in self.twins.items()),
            ("disk", f"{disk / 2**20:.0f} MiB in {self.out}"),
            ("time", f"about {_duration(self._left())}"),
        )  # fmt: skip

    def _say(self, *rows: tuple[str, str]) -> None:
        for what, words in rows:
            self.progress.note(f"{what:8}{words}")

    def go(self) -> None:
        """Train, test and report what is not finished, a seed after another."""
        steps = self.progress.steps("study", self._left() + 0.5)  # in parts of a whole, not in seconds of so many
        with steps as advance, asked_to_stop(self.progress) as self.stop:
            for group in self.groups:
                self._train(group, advance)
                for run in group:
                    if run not in self.failed:
                        self._test(run, advance)
                if any(run in self.scores for run in group):
                    self._report()
        if not self.scores:
            raise InputError(self.out, "no run came to its end")

    def result(self) -> StudyResult:
        """What is known by now."""
        metrics = METRICS[self.settings.task]
        overall = {run: scores.summary.overall for run, scores in self.scores.items()}
        tables = {run: scores.table for run, scores in self.scores.items()}
        runs = []
        for run in self.runs:
            if run not in self.scores:
                continue
            summary, best = self.scores[run].summary, read_result(self.folder(run)).best
            iou = None
            if self.settings.task == "segmentation":
                iou = ReadOnly({each["name"]: each["miou"] for each in summary.per_class})
            runs.append(
                RunResult(
                    run=run,
                    images=summary.images,
                    best_step=best["step"],
                    validation=best["score"],
                    scores=ReadOnly({name: metric.of(summary.overall) for name, metric in metrics.items()}),
                    iou=iou,
                )
            )
        return StudyResult(
            data=Path(self.request.data).name,
            model=self.request.model,
            recipe=self.request.recipe,
            init=None if self.request.init is None else Path(self.request.init).name,
            precision=self.precision,
            steps=self.steps,
            settings=self.settings,
            classes=self.data.names,
            split=self.test.split,
            folds=self.test.folds,
            seeds=tuple(self.seeds),
            planned=len(self.runs),
            twins=tuple(findings(list(self.twins.values()), self.groups, tables, metrics, overall)),
            runs=tuple(runs),
            failed=ReadOnly(dict(self.failed)),
        )

    def folder(self, run: StudyRun) -> Path:
        return run.folder(self.out)

    def data_of(self, fold: int | None) -> TrainingData:
        """What the models are trained and validated on that will be tested on a fold."""
        if fold is None:
            return self.data
        if fold not in self._parts:
            train, val = remainder(self.test.parts, fold)
            # Classes count by what is trained on; every image was looked at before.
            counts = survey(train, self.data.reading, len(self.data.names), threads=max(self.workers, 1)).counts
            self._parts[fold] = dataclasses.replace(self.data, train=train, val=val, counts=counts)
        return self._parts[fold]

    def _report(self) -> None:
        from convneur.figures import study_page

        result = self.result()
        for name in REPORTS:
            if not name.endswith(".html"):
                result.save(self.out / name, force=True)
        new_text(self.out / "study.html", study_page(result), force=True)

    @cached_property
    def _everything(self) -> TrainingData:
        """All images, those that are tested on too."""
        tested = (example for part in self.test.parts for example in part)
        return dataclasses.replace(self.data, val=(*self.data.val, *tested))

    def _left(self) -> float:
        """Seconds, by the twins' step times."""
        total = 0.0
        for run in self.runs:
            time, steps = self.step_times[run.twin], self.steps - steps_done(self.folder(run))
            validations = steps / self.validate_every * len(self.data.val)
            total += steps * time.step + validations * time.image
            tested = is_labelled(self.folder(run), self.test.of(run.fold), self.settings.task)
            total += 0 if tested else len(self.test.of(run.fold)) * time.image
        return total

    def _profiled(
        self,
        precision: Literal["fp32", "bf16"],
        steps: int | None,
        *,
        limits: Mapping[str, StepTime] | None = None,
        minutes: float | None = None,
        only: Sequence[str] | None = None,
    ) -> dict[str, StepTime]:
        fold = 0 if self.test.folds else None
        found = {}
        for name in self.twins if only is None else only:
            limit = 2 * limits[name].step if limits else math.inf
            trainer = self._trainer(StudyRun(name, self.seeds[0], fold))
            found[name] = trainer.profile(
                precision,
                *([] if steps is None else [steps]),
                limit=limit,
                minutes=minutes,
                progress=self.progress,
            )
        return found

    def _trainer(self, run: StudyRun, *, init: bool = False) -> Trainer:
        """Args: init: with the starting weights, if any; they are told of once."""
        first = run.seed == self.seeds[0] and not run.fold
        return Trainer(
            folder=self.folder(run),
            settings=dataclasses.replace(self.settings, seed=run.seed),
            data=self.data_of(run.fold),
            model=new_model(
                self.twins[run.twin].config,
                run.seed,
                init=self.request.init if init else None,
                progress=self.progress if first else _MUTED,
            ),
            accelerator=self.accelerator,
            steps=self.steps,
            validate_every=self.validate_every,
            save_every=_SAVE_EVERY,
            precision=self.precision,
            workers=self.workers,
            warn=lambda line: self.progress.warn(f"{run.name}: {line}"),
            stop=self.stop,
            about={**self.request.about(), "study": dataclasses.asdict(run)},
        )

    def _train(self, group: Sequence[StudyRun], advance: Advance) -> None:
        """The twins by turns, up to the end. A model that diverges is reported; the others go on."""
        scores: dict[str, float] = {}
        for until in turns(self.steps):
            for run in group:
                if run in self.failed or steps_done(self.folder(run)) >= until:
                    continue
                try:
                    self._turn(run, until, advance, scores)
                except InputError as error:
                    self.progress.error(f"{run.name}: {error}")
                    self.failed[run] = str(error)
            if scores:
                words = ", ".join(f"{name} {score:.3f}" for name, score in scores.items())
                fold = "" if group[0].fold is None else f", fold {group[0].fold}"
                self.progress.note(
                    f"seed {group[0].seed}{fold}, step {until} of {self.steps}: validation {words}; about "
                    f"{_duration(self._left())} left"
                )
                scores.clear()

    def _turn(self, run: StudyRun, until: int, advance: Advance, scores: dict[str, float]) -> None:
        folder, time = self.folder(run), self.step_times[run.twin]
        begun = RunPlan.is_in(folder)
        with run_folder(folder, resume=begun, force=True) as held:
            step = steps_done(folder)
            trainer = self._trainer(run, init=not step)
            plan = self.plan.of(run, trainer.data)
            if not begun:
                trainer.save_start(held.first_state)
                held.begin(plan.to_dict())
            elif RunPlan.read(folder) != plan:
                raise InputError(folder, _OTHER)

            def report(record: Mapping[str, Any]) -> None:
                nonlocal step
                if "loss" in record:
                    advance(
                        f"{run.name} {record['step']}/{self.steps}: loss {record['loss']:.3f}",
                        (record["step"] - step) * time.step,
                    )
                    step = record["step"]
                else:
                    scores[run.twin] = record["score"]
                    advance(None, len(trainer.data.val) * time.image)

            trainer.listeners = [report]
            trainer.run_to(until, resume=steps_done(folder) > 0)

    def _test(self, run: StudyRun, advance: Advance) -> None:
        """Label the test images with a finished run's weights, and score them."""
        if run in self.scores:
            return
        folder, images, task = self.folder(run), self.test.of(run.fold), self.settings.task
        if not self.plan.trains(run, RunPlan.read(folder)):
            raise InputError(folder, _OTHER)
        trained = read_result(folder)
        if not trained.figure.exists():
            trained.draw_curves(title=f"{run.name} on {Path(self.request.data).name}")

        def seen() -> None:
            if self.stop():
                raise KeyboardInterrupt("all runs are saved; `resume` goes on")
            advance(f"{run.name}: testing", self.step_times[run.twin].image)

        label_images(folder, trained.weights, images, task, self.accelerator.device, seen)
        self.scores[run] = score_run(folder, images, self.data, task, self.workers)


def old_study_removed(folder: Path) -> None:
    """Take away what a study that was begun in the folder will make anew."""
    for name in REPORTS:
        (folder / name).unlink(missing_ok=True)
    for run in (run for group in StudyPlan.read(folder).groups for run in group):
        clear_run(run.folder(folder))
        clear_tests(run.folder(folder))


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
