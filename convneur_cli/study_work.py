"""A study in its folder: what was decided, the runs by turns, and what they came to by now."""

import dataclasses
import json
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import convneur
from convneur.errors import InputError
from convneur.files import refuse_existing
from convneur.formats import grouped
from convneur.progress import Advance
from convneur.training.folder import (
    CONFIG,
    FIGURE,
    SCHEMA,
    WEIGHTS,
    as_options,
    draw_curves,
    fingerprint,
    read_config,
    run_folder,
    write_config,
)
from convneur.variants import ConvNeurConfig
from convneur_cli.errors import UsageError
from convneur_cli.output import Printer
from convneur_cli.study_report import REPORTS, Outcome, as_result, write_reports
from convneur_cli.study_scores import MADE, TestPhotos, is_labelled, label_photos, score_run

if TYPE_CHECKING:
    from accelerate import Accelerator

    from convneur.training.data import TrainingData
    from convneur.training.loop import Pace, Run
    from convneur.training.settings import TrainSettings
    from convneur.training.study import Cell

__all__ = ["PLAN", "Study"]

PLAN = "convneur.study-plan/1"
_SAVE_EVERY = 100  # steps, as train's
_FEW = 3  # steps that a time left is judged by


@dataclass
class Study:
    """A study at work in a folder.

    Args: asked: what was asked for; data: without folds; twins, paces, costs (parameters and multiply-adds):
        by twin; failed: run -> why; outcomes: of the runs that came to their end.
    """

    printer: Printer
    out: Path
    asked: Mapping[str, Any]
    data: "TrainingData"
    test: TestPhotos
    settings: "TrainSettings"
    twins: Mapping[str, ConvNeurConfig]
    seeds: Sequence[int]
    accelerator: "Accelerator"
    workers: int
    stop: Callable[[], bool] = lambda: False
    steps: int = 0
    validate_every: int = 0
    precision: Literal["fp32", "bf16"] = "fp32"
    paces: dict[str, "Pace"] = field(default_factory=dict)
    costs: dict[str, tuple[int, int]] = field(default_factory=dict)
    failed: dict["Cell", str] = field(default_factory=dict)
    outcomes: dict["Cell", Outcome] = field(default_factory=dict)
    _parts: dict[int | None, "TrainingData"] = field(default_factory=dict)

    def groups(self) -> "list[list[Cell]]":
        from convneur.training.study import cells

        return cells(list(self.twins), self.seeds, self.test.folds)

    def count_costs(self) -> None:
        """Parameters and multiply-adds at the size of the views. Raises: UsageError: a net that refuses it."""
        from convneur.cost import CountingError, ModelCounter

        for name, net in self.twins.items():
            counter = ModelCounter(net)
            try:
                self.costs[name] = counter.params, counter.at(*self.settings.crop).macs_full
            except CountingError as error:
                raise UsageError(f"--twins {name}: {error}") from None

    def clear(self, *, force: bool) -> None:
        """Begin all runs anew. Raises: InputError: a run or a report is there, and it is not forced."""
        reports = [self.out / name for name in REPORTS]
        refuse_existing(*reports, force=force)
        for report in reports:
            report.unlink(missing_ok=True)
        for cell in self._cells():
            with run_folder(self.folder(cell), resume=False, force=force, alone=True):
                for name in MADE:
                    made = self.folder(cell) / name
                    shutil.rmtree(made) if made.is_dir() else made.unlink(missing_ok=True)

    def decide(self) -> None:
        """Precision and steps, the same for all twins, by steps of each on copies of the nets."""
        from convneur.training.loop import TIMED, VALIDATIONS, quicker_precision
        from convneur.training.study import mean_pace

        data, asked = self.data_of(0 if self.test.folds else None), self.asked
        precision, minutes, every = asked["precision"], asked["minutes"], asked["validate_every"]
        self.steps = self.settings.steps(len(data.train))
        self.precision = "bf16" if precision == "bf16" else "fp32"
        if precision == "auto":
            full = self._rehearsed("fp32", _FEW)
            short = self._rehearsed("bf16", _FEW, full)
            mean_full, mean_short = (mean_pace(list(paces.values())).step for paces in (full, short))
            self.precision = quicker_precision(mean_full, mean_short, self.printer)
        self.paces = self._rehearsed(self.precision, TIMED if minutes else _FEW)
        self.validate_every = every or math.ceil(self.steps / VALIDATIONS)
        if minutes:
            mean = mean_pace(list(self.paces.values()))
            self.steps, self.validate_every = mean.plan(60 * minutes, len(data.val), every)
            epochs = self.steps * self.settings.batch / len(data.train)
            self.settings = dataclasses.replace(self.settings, epochs=epochs)
            self.printer.note(f"{minutes:g} min are {self.steps} steps of {mean.step:.3g} s, the mean of the twins")
        self.asked = {**asked, "epochs": None if minutes else self.settings.epochs}

    def recall(self, saved: Mapping[str, Any]) -> None:
        """What was decided when the study was begun. Raises: UsageError: it was begun with other photos."""
        from convneur.training.loop import Pace

        if saved["photos"] != self._photos():
            raise UsageError(
                f"{self.asked['data']}: other photos than the study in {self.out} was begun with; begin again with "
                "--force"
            )
        self.steps, self.validate_every, self.precision = (
            saved[key] for key in ("steps", "validate_every", "precision")
        )
        self.paces = {name: Pace(*pace) for name, pace in saved["paces"].items()}
        self.paces |= self._rehearsed(
            self.precision, _FEW, only=[name for name in self.twins if name not in self.paces]
        )

    def plan(self, net: ConvNeurConfig) -> dict[str, Any]:
        """What the study is begun with, for its folder."""
        return {
            "schema": PLAN,
            "convneur": convneur.__version__,
            "asked": as_options(self.asked),
            "net": net.to_dict(),
            "settings": self.settings.to_dict(),
            "twins": list(self.twins),
            "seeds": list(self.seeds),
            "classes": self.data.names,
            "counts": self.data.counts,
            "left_out": self.data.left_out,
            "steps": self.steps,
            "validate_every": self.validate_every,
            "precision": self.precision,
            "photos": self._photos(),
            "paces": {name: dataclasses.astuple(pace) for name, pace in self.paces.items()},
        }

    def announce(self) -> None:
        """The plan, before the first step."""
        settings, runs = self.settings, self._cells()
        data = self.data_of(0 if self.test.folds else None)
        # Weights, their average and two moments, and the weights that are kept.
        disk = sum(5 * 4 * self.costs[cell.twin][0] for cell in runs)
        done = sum(self.step_of(cell) >= self.steps for cell in runs)
        folds = f" x {self.test.folds} folds" if self.test.folds else ""
        rows = [
            ("runs", f"{len(self.twins)} twins x {len(self.seeds)} seeds{folds} = {len(runs)}, {done} are finished"),
            ("photos", f"{len(data.train)} to train, {len(data.val)} to validate, {self.test.count} to test "
                       f"({f'{self.test.folds} folds' if self.test.folds else f'split {self.test.split}'}), "
                       f"{len(data.names)} classes"),
            ("steps", f"{grouped(self.steps)} in each run, of {settings.batch} views of "
                      f"{settings.crop[0]}x{settings.crop[1]}, {settings.epochs:.3g} epochs, validated every "
                      f"{self.validate_every}"),
            ("on", f"{self.accelerator.device.type}, {self.precision}"),
            *(("twin", f"{name}: {params / 1e6:.2f} M parameters, {macs / 1e9:.3g} GMACs at the views' size, "
                       f"{self.paces[name].step:.3g} s a step") for name, (params, macs) in self.costs.items()),
            ("disk", f"{disk / 2**20:.0f} MiB in {self.out}"),
            ("time", f"about {_duration(self._left())}"),
        ]  # fmt: skip
        for what, words in rows:
            self.printer.note(f"{what:8}{words}")

    def go(self) -> None:
        """Train, test and report what is not finished, a seed after another."""
        from convneur.training.stopping import asked_to_stop

        progress = self.printer.steps("study", self._left() + 0.5)  # in parts of a whole, not in seconds of so many
        with progress as advance, asked_to_stop(self.printer) as self.stop:
            for group in self.groups():
                self._train(group, advance)
                for cell in group:
                    if cell not in self.failed:
                        self._test(cell, advance)
                if any(cell in self.outcomes for cell in group):
                    write_reports(self.out, self.result())
        if not self.outcomes:
            raise InputError(self.out, "no run came to its end")

    def result(self) -> dict[str, Any]:
        """What is known by now."""
        finished = {
            cell: (self.outcomes[cell], self._validated(cell)) for cell in self._cells() if cell in self.outcomes
        }
        return as_result(
            about={
                "data": Path(self.asked["data"]).name,
                "model": self.asked["model"],
                "init": self.asked["init"] and Path(self.asked["init"]).name,
                "recipe": self.asked["recipe"],
                "precision": self.precision,
                "steps": self.steps,
                "settings": {key: value for key, value in self.settings.to_dict().items() if key != "seed"},
                "classes": list(self.data.names),
            },
            task=self.settings.task,
            tested_on=self.test.split,
            images=self.test.count,
            twins=self.twins,
            seeds=self.seeds,
            folds=self.test.folds,
            costs=self.costs,
            outcomes=finished,
            failed={cell.name: why for cell, why in self.failed.items()},
        )

    def folder(self, cell: "Cell") -> Path:
        return self.out / "runs" / cell.name

    def step_of(self, cell: "Cell") -> int:
        """How far a run has come."""
        state = self.folder(cell) / "state.safetensors"
        if not state.exists():
            return 0
        from convneur.training.state import read_progress

        return int(read_progress(state)["step"])

    def data_of(self, fold: int | None) -> "TrainingData":
        """What the nets are trained and validated on that will be tested on a fold."""
        from convneur.data.examples import survey
        from convneur.training.study import remainder

        if fold is None:
            return self.data
        if fold not in self._parts:
            train, val = remainder(self.test.parts, fold)
            # Classes count by what is trained on; every photo was looked at before.
            counts = survey(train, self.data.reading, len(self.data.names), threads=max(self.workers, 1)).counts
            self._parts[fold] = dataclasses.replace(self.data, train=train, val=val, counts=counts)
        return self._parts[fold]

    def _cells(self) -> "list[Cell]":
        return [cell for group in self.groups() for cell in group]

    def _photos(self) -> str:
        known = (*self.data.train, *self.data.val, *(example for part in self.test.parts for example in part))
        return fingerprint([example.name for example in known])

    def _left(self) -> float:
        """Seconds, by the twins' paces."""
        total = 0.0
        for cell in self._cells():
            pace, steps = self.paces[cell.twin], self.steps - self.step_of(cell)
            validations = steps / self.validate_every * len(self.data.val)
            total += steps * pace.step + validations * pace.photo
            tested = is_labelled(self.folder(cell), self.test.of(cell.fold), self.settings.task)
            total += 0 if tested else len(self.test.of(cell.fold)) * pace.photo
        return total

    def _rehearsed(
        self, precision: Any, steps: int, limits: "Mapping[str, Pace] | None" = None, only: Sequence[str] | None = None
    ) -> "dict[str, Pace]":
        from convneur.training.study import Cell

        fold = 0 if self.test.folds else None
        found = {}
        for name in self.twins if only is None else only:
            run = self._run(Cell(name, self.seeds[0], fold))
            limit = 2 * limits[name].step if limits else math.inf
            found[name] = run.rehearse(precision, steps, limit=limit)
        return found

    def _run(self, cell: "Cell") -> "Run":
        from convneur.training.loop import Run
        from convneur.training.start import new_model

        settings = dataclasses.replace(self.settings, seed=cell.seed)
        return Run(
            folder=self.folder(cell),
            settings=settings,
            data=self.data_of(cell.fold),
            model=new_model(self.twins[cell.twin], cell.seed),
            accelerator=self.accelerator,
            steps=self.steps,
            validate_every=self.validate_every,
            save_every=_SAVE_EVERY,
            precision=self.precision,
            workers=self.workers,
            warn=lambda line: self.printer.warn(f"{cell.name}: {line}"),
            stop=self.stop,
            about={
                "convneur": convneur.__version__,
                "model": self.asked["model"],
                "recipe": self.asked["recipe"],
                "init": self.asked["init"] and Path(self.asked["init"]).name,
                "study": dataclasses.asdict(cell),
            },
        )

    def _train(self, group: "Sequence[Cell]", advance: Advance) -> None:
        """The twins by turns, up to the end. A net that diverges is reported; the others go on."""
        from convneur.training.study import turns

        scores: dict[str, float] = {}
        for until in turns(self.steps):
            for cell in group:
                if cell in self.failed or self.step_of(cell) >= until:
                    continue
                try:
                    self._turn(cell, until, advance, scores)
                except InputError as error:
                    self.printer.error(f"{cell.name}: {error}")
                    self.failed[cell] = str(error)
            if scores:
                words = ", ".join(f"{name} {score:.3f}" for name, score in scores.items())
                self.printer.note(
                    f"{_place(group[0])}, step {until} of {self.steps}: validation {words}; about "
                    f"{_duration(self._left())} left"
                )
                scores.clear()

    def _turn(self, cell: "Cell", until: int, advance: Advance, scores: dict[str, float]) -> None:
        from convneur.training.start import begin_from

        folder, pace = self.folder(cell), self.paces[cell.twin]
        begun = (folder / CONFIG).exists()
        with run_folder(folder, resume=begun, force=True, alone=True):
            run = self._run(cell)
            config = self._config(cell, run)
            if not begun:
                write_config(folder, config)
            elif {**read_config(folder), "convneur": ""} != {**json.loads(json.dumps(config)), "convneur": ""}:
                raise InputError(folder, "holds another run; remove it, or choose another --out")
            resume = (folder / "state.safetensors").exists()
            if self.asked["init"] and not resume:
                first = cell.seed == self.seeds[0] and not cell.fold
                begin_from(
                    run.model, Path(self.asked["init"]), self.printer if first else Printer(json=True, quiet=True)
                )
            step = self.step_of(cell)

            def said(record: Mapping[str, Any]) -> None:
                nonlocal step
                if "loss" in record:
                    advance(
                        f"{cell.name} {record['step']}/{self.steps}: loss {record['loss']:.3f}",
                        (record["step"] - step) * pace.step,
                    )
                    step = record["step"]
                else:
                    scores[cell.twin] = record["score"]
                    advance(None, len(run.data.val) * pace.photo)

            run.said = said
            run.go_to(until, resume=resume)

    def _config(self, cell: "Cell", run: "Run") -> dict[str, Any]:
        """As `train` writes it."""
        own = ("folds", "split")
        return {
            "schema": SCHEMA,
            "convneur": convneur.__version__,
            "asked": as_options({name: value for name, value in self.asked.items() if name not in own}),
            "net": run.model.config.to_dict(),
            "settings": run.settings.to_dict(),
            "classes": run.data.names,
            "counts": run.data.counts,
            "left_out": run.data.left_out,
            "steps": run.steps,
            "validate_every": run.validate_every,
            "precision": run.precision,
            "photos": fingerprint([example.name for example in (*run.data.train, *run.data.val)]),
        }

    def _validated(self, cell: "Cell") -> Mapping[str, Any]:
        """The validation that a run's weights are from."""
        from convneur.training.state import read_progress

        validations = read_progress(self.folder(cell) / "state.safetensors")["validations"]
        best: Mapping[str, Any] = max(validations, key=lambda record: (record["score"], record["step"]))
        return best

    def _test(self, cell: "Cell", advance: Advance) -> None:
        """Label the test photos with a finished run's weights, and score them."""
        if cell in self.outcomes:
            return
        folder, photos, task = self.folder(cell), self.test.of(cell.fold), self.settings.task
        if not (folder / FIGURE).exists():
            draw_curves(folder, f"{cell.name} on {Path(self.asked['data']).name}")

        def seen() -> None:
            if self.stop():
                raise KeyboardInterrupt("all runs are saved; `resume` goes on")
            advance(f"{cell.name}: testing", self.paces[cell.twin].photo)

        label_photos(folder, folder / WEIGHTS, photos, task, self.accelerator.device, seen)
        self.outcomes[cell] = score_run(folder, photos, self.data, task, self.workers)


def _place(cell: "Cell") -> str:
    return f"seed {cell.seed}" + ("" if cell.fold is None else f", fold {cell.fold}")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
