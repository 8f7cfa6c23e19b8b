"""A cost report for people: a short form that fits a screen, and all that is known."""

from collections.abc import Iterable, Mapping, Sequence

from convneur.cost.conventions import Convention
from convneur.cost.counter import CostCount, TrainingCount
from convneur.cost.model_cost import By, ModelCost, places_of, split_by
from convneur.cost.model_counter import ImageCost, RefusedSize, SizeCost
from convneur.cost.scaling import ScalingVerdict
from convneur.formats import grouped, millions, significant
from convneur.results import Table
from convneur.variants import variant_changes

__all__ = ["headlines", "long_tables", "short_sentences", "short_tables", "terms"]

_LEFT_OUT = "the products of the memory's update and of self-attention"
_NOWHERE = "the model itself"

# The short form


def headlines(models: Iterable[ModelCost]) -> list[str]:
    """The verdict on each model, about ten words."""
    return [f"{_with_changes(model)}: {_growth(model)}" for model in models]


def short_tables(models: Sequence[ModelCost], convention: Convention, by: By | None) -> list[Table]:
    """All models in one table, and what their multiply-adds were asked to be split by."""
    has_own = any(model.source is None for model in models)
    trains = any(model.training is not None for model in models)
    columns = ["model", "params\nM", "size", "GMACs", "GFLOPs"]
    columns += [_other(convention)] * has_own
    columns += [_per_unit(models[0]), "slope"]
    columns += ["global\nshare"] * has_own
    columns += ["peak\nMB"]
    columns += ["training\nGMACs", "training\npeak MB"] * trains
    rows = []
    for model in models:
        slopes = _slopes(model)
        for size, cost in model.sizes.items():
            row = [model.shown, "-", size]
            if isinstance(cost, RefusedSize):
                rows.append([*row, "refused", *["-"] * (len(columns) - 4)])
                continue
            row = [model.shown, millions(cost.count.params), size, *_macs(cost)]
            row += [_by_other(cost, convention)] * has_own
            row += [significant(cost.macs_per_pixel / 1e3), slopes[size]]
            row += [_global_share(cost)] * has_own
            row += [_megabytes(cost.count.peak_activation_bytes)]
            if trains:
                trained = model.trained.get(size)
                found = None if trained is None else (significant(trained.macs / 1e9), _megabytes(trained.peak_bytes))
                row += found or ("-", "-")
            rows.append(row)
    return [Table("", columns, rows, left=(0,), dense=True), *_split_tables(models, by)]


def short_sentences(models: Sequence[ModelCost], convention: Convention) -> list[str]:
    """What may make a number misleading, and what the columns mean."""
    caveats = []
    for model in models:
        found = [*_elementwise_sentence(model), *_zeros_sentence(model), *_formula_sentences(model)]
        found += _counter_sentences(model)
        caveats += [f"{model.shown}: {sentence}" for sentence in found] if len(models) > 1 else found
    refused = [sentence for model in models for sentence in _refused_sentences(model)]
    return [*refused, *caveats, _units(models, convention)]


def _growth(model: ModelCost) -> str:
    verdict = model.scaling.verdict
    if not model.probes:
        return "counted without a verdict"
    if verdict.verdict == "undetermined":
        return f"growth undetermined, {verdict.why}"
    sizes = list(model.probes)
    first, last = (_three(macs / 1e3) for macs in (verdict.macs_per_pixel[0], verdict.macs_per_pixel[-1]))
    unit = f"kMACs per {verdict.axis.one}"
    per_pixel = f"{first} {unit} at {sizes[0]}, {last} at {sizes[-1]}"
    if first == last:
        per_pixel = f"{first} {unit} from {sizes[0]} to {sizes[-1]}"
    apart = ""
    if model.hidden is not None:
        apart = ", element-wise work apart"
    elif any(cost.count.uncounted for cost in model.counted.values()):
        apart = ", as far as formulas go"
    small = "" if verdict.small_quadratic is None else f"; {_small_quadratic(verdict)}"
    return f"{verdict.growth}{apart} ({per_pixel}{small})"


def _small_quadratic(verdict: ScalingVerdict) -> str:
    return f"a quadratic term is {significant((verdict.small_quadratic or 0) * 100)} % of that"


def _three(number: float) -> str:
    """Three significant figures, no exponent."""
    return grouped(number) if number >= 100 else f"{number:.3g}"


# In full


def long_tables(models: Sequence[ModelCost], convention: Convention, by: By | None) -> list[Table]:
    """For each model its sizes with all columns and what was found, then the backward pass, then the split."""
    tables = []
    for model in models:
        notes = _findings(model)
        tables.append(_cost_table(model, convention, notes))
        if model.training is not None:
            tables.append(_training_table(model))
        tables += _split_tables([model], by)
    return tables


def _cost_table(model: ModelCost, convention: Convention, notes: Sequence[str]) -> Table:
    is_own = model.source is None
    columns = ["size", "pixel\nratio" if model.sweep is None else "ratio", "GMACs", "GFLOPs"]
    columns += [_other(convention)] * is_own
    columns += [_per_unit(model), "slope"]
    columns += ["global\nshare"] * is_own
    columns += [f"of {twin.twin}".replace("-", "-\n") for twin in model.twins]
    columns += ["peak\nMB"]
    columns += ["chunks in\nstages 1-4"] * is_own
    slopes = _slopes(model)
    unit = next(iter((model.counted or model.sizes).values())).pixels
    rows = []
    for size, cost in model.sizes.items():
        row = [size, f"{cost.pixels / unit:.3g}x"]
        if isinstance(cost, RefusedSize):
            rows.append([*row, "refused", *["-"] * (len(columns) - 3)])
            continue
        row += _macs(cost)
        row += [_by_other(cost, convention)] * is_own
        row += [significant(cost.macs_per_pixel / 1e3), slopes[size]]
        row += [_global_share(cost)] * is_own
        for twin in model.twins:
            theirs = twin.counted.get(size)
            row.append("-" if theirs is None else f"{cost.macs / theirs.macs:.3f}x")
        row.append(_megabytes(cost.count.peak_activation_bytes))
        if isinstance(cost, SizeCost):
            row.append(" ".join(map(str, cost.chunks)) if any(cost.chunks) else "-")
        rows.append(row)
    return Table(_title(model), columns, rows, dense=True, notes=notes)


def _training_table(model: ModelCost) -> Table:
    columns = ["size", "GMACs", "GFLOPs", "of the\nforward", "saved\nMB", "peak\nMB", "parameters\nMB"]
    rows = []
    for size, cost in (model.training or {}).items():
        if isinstance(cost, RefusedSize):
            rows.append([size, "refused", *["-"] * (len(columns) - 2)])
            continue
        forward = model.counted.get(size)
        ratio = "-" if forward is None or not forward.macs_full else f"{cost.macs / forward.macs_full:.2f}x"
        held = (cost.saved_bytes, cost.peak_bytes, cost.parameter_bytes)
        rows.append([size, significant(cost.macs / 1e9), significant(cost.flops / 1e9), ratio, *map(_megabytes, held)])
    return Table(f"{model.shown}: forward and backward", columns, rows, dense=True)


def _split_tables(models: Iterable[ModelCost], by: By | None) -> list[Table]:
    return [] if by is None else [_split_table(model, by) for model in models if model.counted]


def _split_table(model: ModelCost, by: By) -> Table:
    split = {size: split_by(cost, by) for size, cost in model.counted.items()}
    columns = [by, *[column for size in split for column in (size, "share")]]
    rows = []
    # The size with the most names first: what a smaller one leaves out stands in its place, not at the end.
    fullest_first = sorted(split.values(), key=len, reverse=True)
    for name in dict.fromkeys(name for macs in fullest_first for name in macs):
        row = [name or f"({_NOWHERE})"]
        for size, macs in split.items():
            value = macs.get(name, 0)
            row += [significant(value / 1e6), f"{value / (model.counted[size].macs or 1):.1%}"]
        rows.append(row)
    total = ["total"]
    for macs in split.values():
        total += [significant(sum(macs.values()) / 1e6), "100.0%"]
    return Table(f"{model.shown}: MMACs by {by}", columns, [*rows, total], dense=True)


def terms(models: Sequence[ModelCost], convention: Convention) -> list[str]:
    """What the values mean."""
    said = [_units(models, convention)]
    if any(_has_linear_memory(model) for model in models):
        said.append(
            "A linear memory's update is executed, and counted, in Gram form: k^T k, k^T v, then one m x m product a "
            "chunk."
        )
    said.append("Peak: the most that one image's activations hold at one time, without parameters and the image.")
    if any(model.training is not None for model in models):
        said.append(
            "Forward and backward: everything executed. Saved: what the forward pass keeps for the backward one; its "
            "peak includes the gradients. Parameters: in float32, once; an optimizer's state comes on top."
        )
    return said


def _findings(model: ModelCost) -> list[str]:
    sentences = [_verdict_sentence(model), *_refused_sentences(model), *_elementwise_sentence(model)]
    if model.source is not None:
        how = "one model for all sizes"
        if model.built_per_size:
            how = "built for each size, which its factory takes"
        sentences.append(f"From {model.source}; {how}.")
    sentences += _zeros_sentence(model)
    slopes = [f"{slope:.3f}" for slope in model.scaling.global_local_slopes if slope is not None]
    if slopes:
        sentences.append(f"Between the sizes, the global branches alone grow with slope {_list(slopes)}.")
    predicted = model.scaling.predicted
    if predicted is not None:
        size = next(size for size, cost in model.counted.items() if cost.pixels == predicted.pixels)
        off = f"{abs(predicted.error):.2%} too {'high' if predicted.error > 0 else 'low'}"
        sentences.append(
            f"Predicted for {size} from the smaller sizes: {significant(predicted.macs / 1e9)} GMACs "
            f"({off if abs(predicted.error) >= 5e-5 else 'exact'})."
        )
    if model.reads_before_write:
        for size, cost in model.counted.items():
            chunks_of = cost.chunks if isinstance(cost, SizeCost) else ()
            single = [str(stage) for stage, chunks in enumerate(chunks_of, start=1) if chunks == 1]
            if single:
                sentences.append(
                    f"At {size}, {'stages' if single[1:] else 'stage'} {_list(single)} "
                    f"{'have' if single[1:] else 'has'} one chunk, which reads the learned M_0 alone: the same for "
                    "every image."
                )
    beside = {size: cost.count for size, cost in model.counted.items()}
    if any(count.elementwise is not None for count in beside.values()):
        results = _list(significant((count.elementwise or 0) / 1e6) for count in beside.values())
        sentences += [
            f"Element-wise results, which are in no total: {results} million at {_list(beside)}.",
            f"Operators launched, views left out: {_list(_launched(*item) for item in model.counted.items())}.",
        ]
    return [*sentences, *_formula_sentences(model), *_counter_sentences(model)]


def _launched(size: str, cost: ImageCost) -> str:
    """`249 at 224 (local 75, global 140, ...)`; branches that launch nothing are left out."""
    of = (cost.branch_launches or {}) if isinstance(cost, SizeCost) else {}
    split = ", ".join(f"{branch} {number}" for branch, number in of.items() if number)
    return f"{cost.count.launches} at {size}{f' ({split})' if split else ''}"


def _verdict_sentence(model: ModelCost) -> str:
    verdict, shares = model.scaling.verdict, model.scaling.quadratic_share
    order = f"{verdict.order:.2f}" if verdict.order is not None else ""
    whole = verdict.axis.whole
    cost, alone = "its multiply-adds", ""
    if model.hidden is not None:
        cost, alone = "they", " in its multiply-adds alone"
    elif any(cost.count.uncounted for cost in model.counted.values()):
        alone = " as far as formulas go"
    if verdict.growth_class is None:
        answer = f"Whether {model.shown} is subquadratic is undetermined."
    else:
        how = {
            "constant": f"do not grow with {whole}",
            "sublinear": f"grow as {whole} to the power {order}",
            "linear": f"grow linearly with {whole}",
            "n log n": f"grow as N log N, N {'the pixels' if model.sweep is None else f'being {whole}'}",
            "power": f"grow as {whole} to the power {order}",
            "quadratic": f"have a term quadratic in {whole}",
            "higher": f"grow faster than the square of {whole}, as {whole} to the power {order}",
        }[verdict.growth_class]
        answer = f"{model.shown} is {'' if verdict.is_subquadratic else 'not '}subquadratic"
        answer += f"{alone if verdict.is_subquadratic else ''}: {cost} {how}."
    found = verdict.why[0].upper() + verdict.why[1:]
    if verdict.macs_per_pixel:
        per_pixel = _list(significant(macs / 1e3) for macs in verdict.macs_per_pixel)
        found += f": {per_pixel} kMACs at {_list(model.probes)}, by the full count"
    if verdict.small_quadratic is not None:
        found += f"; {_small_quadratic(verdict)}"
    if shares is not None:
        known = {size: share for size, share in zip(model.sizes, shares, strict=True) if share is not None}
        if known:
            found += f"; that term is {_list(f'{share:.0%}' for share in known.values())} at {_list(known)}"
    return f"{answer} {found}."


# In both


def _refused_sentences(model: ModelCost) -> list[str]:
    return [f"Refused: {problem}." for problem in model.problems]


def _elementwise_sentence(model: ModelCost) -> list[str]:
    """What a verdict on multiply-adds would hide."""
    if model.hidden is None:
        return []
    per_pixel = _list(significant(results / 1e3) for results in model.hidden.macs_per_pixel)
    axis = model.hidden.axis
    how = {
        None: "grow in no order that fits",
        "higher": f"grow as {axis.whole} to the power {model.hidden.order or 0:.2f}",
    }.get(model.hidden.growth_class, f"have a term quadratic in {axis.whole}")
    return [
        f"Its element-wise results, which are no multiply-adds, {how}: {per_pixel} thousand per {axis.one} at "
        f"{_list(model.probes)}."
    ]


def _zeros_sentence(model: ModelCost) -> list[str]:
    built = []
    if model.built_for_real is not None:
        built = [f"Its weights were made for real, in memory, before it was counted: {model.built_for_real}."]
    if not model.ran_on_zeros:
        return built
    return [
        *built,
        "The meta device cannot run it, because it asks for values or makes tensors elsewhere, so it was run on zeros: "
        "what it decides by values it decided by those, and what it computes outside torch, in NumPy say, is in no "
        "total.",
    ]


def _formula_sentences(model: ModelCost) -> list[str]:
    beside = {size: cost.count for size, cost in model.counted.items()}
    forward = _uncounted_sentences(beside, _NOWHERE)
    if model.scaling.with_fft is not None:
        forward.append(
            f"With its Fourier transforms as 5 N log2 N operations each, half for real numbers, two of them as one "
            f"multiply-add, it would be {model.scaling.with_fft}."
        )
    return forward + _uncounted_sentences(model.trained, "the backward pass", counted=", forward and backward")


def _uncounted_sentences(
    counts: Mapping[str, CostCount | TrainingCount], nowhere: str, *, counted: str = ""
) -> list[str]:
    """A sentence for each operator without a formula; nowhere: what ran it if no submodule did."""
    sentences = []
    for operator in dict.fromkeys(entry.operator for count in counts.values() for entry in count.uncounted):
        calls = [str(count.uncounted_operators().get(operator, 0)) for count in counts.values()]
        places = dict.fromkeys(
            path or nowhere for count in counts.values() for path in places_of(count.uncounted).get(operator, ())
        )
        noun = "call" if calls == ["1"] else "calls"
        sentences.append(
            f"No formula for {operator}, which is in no total: {_list(calls)} {noun} at {_list(counts)}"
            f"{counted}, in {_list(places)}."
        )
    return sentences


def _counter_sentences(model: ModelCost) -> list[str]:
    check = model.counters
    if check is None:
        return []
    sentences = []
    if check.fvcore and check.differences is not None and not check.differences:
        sentences.append("fvcore and the dispatch counter agree on every convolution and matrix product.")
    for size, found in (check.differences or {}).items():
        sentences += [
            f"At {size}, the counters differ on {one.kind} work in {one.module or _NOWHERE}: "
            f"dispatch {grouped(one.dispatch)}, fvcore {grouped(one.fvcore)} MACs."
            for one in found
        ]
    if check.unseen and check.dispatch is not None:
        sentences.append(f"fvcore has no formula for {_list(check.unseen)} and leaves that out.")
    return sentences


def _units(models: Sequence[ModelCost], convention: Convention) -> str:
    counted = "everything executed" if convention == "all" else f"the paper's convention, without {_LEFT_OUT}"
    if any(model.by_fvcore for model in models):
        counted += ", as far as fvcore has a formula; the verdict is by the dispatch counter"
    units = f"GMACs: billions of multiply-adds, {counted}; GFLOPs: two for each."
    if any(model.source is None for model in models):
        beside = f"paper GMACs: without {_LEFT_OUT}" if convention == "all" else "full GMACs: everything executed"
        units += f" {beside}."
    return units


def _title(model: ModelCost) -> str:
    if model.params is None:
        return f"{model.shown}: no size was counted"
    if model.built_per_size:
        counted = [size for size, cost in {**model.sizes, **model.probes}.items() if isinstance(cost, ImageCost)]
        return f"{model.shown}: {grouped(model.params)} parameters at {counted[0]}, built for each size"
    return f"{model.shown}: {grouped(model.params)} parameters{''.join(f', {change}' for change in _changes(model))}"


def _with_changes(model: ModelCost) -> str:
    changes = _changes(model)
    return f"{model.shown} with {_list(changes)}" if changes else model.shown


def _changes(model: ModelCost) -> list[str]:
    """What was changed of the variant that a model goes by; a twin's own name says the rest."""
    return [] if model.config is None or model.twin is not None else variant_changes(model.name, model.config)


def _per_unit(model: ModelCost) -> str:
    """All models of a report are swept over one axis, or none is."""
    return f"kMACs\n/{'px' if model.sweep is None else model.sweep.axis}"


def _other(convention: Convention) -> str:
    return f"{'paper' if convention == 'all' else 'full'}\nGMACs"


def _macs(cost: ImageCost) -> list[str]:
    return [significant(cost.macs / 1e9), significant(cost.flops / 1e9)]


def _by_other(cost: ImageCost, convention: Convention) -> str:
    if not isinstance(cost, SizeCost):
        return "-"
    return significant((cost.macs_paper if convention == "all" else cost.macs_full) / 1e9)


def _global_share(cost: ImageCost) -> str:
    return f"{cost.global_share:.1%}" if isinstance(cost, SizeCost) else "-"


def _slopes(model: ModelCost) -> dict[str, str]:
    """Of each size from the one before it."""
    slopes = (None, *model.scaling.local_slopes)
    return {size: "-" if slope is None else f"{slope:.3f}" for size, slope in zip(model.sizes, slopes, strict=True)}


def _megabytes(held: int | None) -> str:
    return "-" if held is None else significant(held / 1e6)


def _has_linear_memory(model: ModelCost) -> bool:
    linear = model.config is not None and model.config.memory_layers == 1
    return linear and any(isinstance(cost, SizeCost) and any(cost.chunks) for cost in model.counted.values())


def _list(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
