"""Latencies that `convneur bench` measured, by model: of one machine, or of several, which is then said."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from convneur.errors import ConfigError, InputError
from convneur.peers.reading import Peer
from convneur.results import Result
from convneur.schema import SchemaError, read_json, typed

__all__ = ["MeasuredTimes", "read_times"]

_MEND = "give the JSON of a timing: convneur bench ... -o times.json"
_TIMM = "timm/"


@dataclass(frozen=True)
class _Row:
    height: int
    width: int
    batch: int
    p50_seconds: float | None = None


@dataclass(frozen=True)
class _Model:
    name: str
    rows: list[_Row]
    runtime: str = "torch"
    changes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Times:
    """A file, or a result. machine: in words. versions: of packages, by name."""

    source: str
    machine: str
    versions: Mapping[str, object]
    models: tuple[_Model, ...]

    @property
    def runtimes(self) -> list[str]:
        """What ran the models, with its version."""
        names = dict.fromkeys(model.runtime for model in self.models)
        return [f"{name} {self.versions.get(name, '')}".rstrip() for name in names]


@dataclass(frozen=True)
class MeasuredTimes:
    """Milliseconds of a call on one image, the median, by model and size."""

    times: tuple[_Times, ...]

    @property
    def source(self) -> str:
        return ", ".join(each.source for each in self.times)

    @property
    def named(self) -> str:
        return ", ".join(model.name for model in self.models)

    @property
    def models(self) -> Iterator[_Model]:
        return (model for each in self.times for model in each.models)

    def of_peer(self, peer: Peer) -> float | None:
        """Of a published model at its size; timm's own name without a tag means each that has it."""
        names = {_TIMM + peer.model, peer.model, _TIMM + peer.model.partition(".")[0], peer.model.partition(".")[0]}
        found = (_at(model, peer.size) for model in self.models if model.name in names)
        return next((value for value in found if value is not None), None)

    def of_variants(self, names: Sequence[str]) -> Iterator[tuple[str, str, float]]:
        """Each form of these variants that was timed at 224: m1, m1 folded, m1.onnx; with the variant and the time.

        One whose settings were changed is left out: the printed accuracy is not its own.
        """
        for model in self.models:
            variant = next((name for name in names if model.name in _forms(name) and not model.changes), None)
            value = None if variant is None else _at(model, 224)
            if variant is not None and value is not None:
                yield model.name, variant, value

    def check_timed(self, names: Sequence[str]) -> None:
        """Raises: ConfigError: one of these variants was not timed at 224, or only with other settings."""
        timed = {variant for _, variant, _ in self.of_variants(names)}
        for name in names:
            if name not in timed:
                why = self.other_forms([name])
                problem = f"was not timed at 224; `times` has {self.named}"
                raise ConfigError("models", problem, value=why[0] if why else name)

    def other_forms(self, names: Sequence[str]) -> list[str]:
        """Variants that were timed with other settings alone, and with which."""
        timed = {variant for _, variant, _ in self.of_variants(names)}
        changes = {
            name: next((model.changes for model in self.models if model.name in _forms(name) and model.changes), None)
            for name in names
            if name not in timed
        }
        return [f"{name} with {', '.join(words)}" for name, words in changes.items() if words]

    def of_name(self, name: str) -> float:
        """Of a model at the first size that it was timed at. Raises: ConfigError: no such model."""
        model = next((each for each in self.models if each.name == name), None)
        value = None if model is None else next((ms for row in model.rows if (ms := _ms(row)) is not None), None)
        if value is None:
            raise ConfigError("add", f"was not timed; `times` has {self.named}", value=name)
        return value

    @property
    def sentences(self) -> Iterator[str]:
        yield from dict.fromkeys(
            f"Latency: the median of a call on one image, in {' and '.join(each.runtimes)}; {each.machine}."
            for each in self.times
        )
        names = {model.runtime for model in self.models}
        if len({each.machine for each in self.times}) > 1:
            yield "These times are of different machines or settings: what is nearer may be the machine, not the model."
        elif len({runtime for each in self.times for runtime in each.runtimes}) > len(names):
            yield "These times are of different versions of a runtime: what is nearer may be that, not the model."
        if len(names) > 1:
            yield "Not all models ran in the same runtime: compare those that did."


def read_times(times: Iterable[str | Path | Result]) -> MeasuredTimes:
    """Results of `convneur.bench`, or their files.

    Raises: ConfigError: no such file. InputError: one that holds something else.
    """
    return MeasuredTimes(tuple(map(_read, times)))


def _read(times: str | Path | Result) -> _Times:
    if isinstance(times, Result):
        return _checked(times.to_dict(), "these times")
    path = Path(times)
    if not path.is_file():
        raise ConfigError("times", "no such file", value=path)
    found = read_json(path, dict[str, object], mend=_MEND)
    try:
        return _checked(found, str(path))
    except SchemaError as error:
        raise InputError(path, f"{error}; {_MEND}") from None


def _checked(found: Mapping[str, Any], source: str) -> _Times:
    if found.get("schema") != "convneur.bench/1":
        raise SchemaError("", "is no timing of convneur (schema convneur.bench/1)")
    models = typed(found.get("models"), list[_Model], "models", strict=False)
    settings, machine = (typed(found.get(key), dict[str, object], key) for key in ("settings", "machine"))
    words = [str(machine.get("accelerator") or machine.get("processor") or "an unnamed processor")]
    words += [str(settings.get("dtype", ""))]
    words += (
        [f"{settings['threads']} thread{'s' if settings['threads'] != 1 else ''}"] if settings.get("threads") else []
    )
    versions = typed(found.get("versions", {}), dict[str, object], "versions")
    return _Times(source, ", ".join(filter(None, words)), versions, tuple(models))


def _ms(row: _Row) -> float | None:
    return 1e3 * row.p50_seconds if row.p50_seconds is not None and row.batch == 1 else None


def _at(model: _Model, side: int) -> float | None:
    found = (_ms(row) for row in model.rows if row.height == row.width == side)
    return next((value for value in found if value is not None), None)


def _forms(variant: str) -> set[str]:
    return {variant, f"{variant} folded", f"{variant}.onnx", f"{variant}.xml", f"{variant} as it is"}
