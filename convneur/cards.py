"""Model cards: what a README.md beside weights says, with the head in YAML that the Hugging Face Hub reads."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from convneur.variants import DENSE_HEADS, ConvNeurConfig

__all__ = ["card_head", "model_card", "model_facts"]

_PIPELINES = {"classifier": "image-classification", "none": "image-feature-extraction"}
_METRICS = {"image-segmentation": ["mean_iou", "accuracy"], "image-classification": ["accuracy"]}


def card_head(
    config: ConvNeurConfig,
    *,
    task: str | None = None,
    licence: str | None = None,
    licence_name: str | None = None,
    datasets: Sequence[str] = (),
) -> str:
    """The YAML at a card's top: library, task, tags, metrics, and what the caller knows.

    Args:
        task: by the Hub's name for it; None: by the head.
        licence: of the weights, by the Hub's name for it; licence_name: where that is other; datasets: trained on.

    >>> print(card_head(ConvNeurConfig(dims=(8, 8, 8, 8)), licence="apache-2.0", datasets=["camvid"]), end="")
    ---
    license: apache-2.0
    library_name: convneur
    pipeline_tag: image-classification
    tags:
    - convneur
    - vision-backbone
    - neural-memory
    datasets:
    - camvid
    metrics:
    - accuracy
    ---
    """
    task = task or ("image-segmentation" if config.head in DENSE_HEADS else _PIPELINES[config.head])
    said = {
        "license": licence,
        "license_name": licence_name,
        "library_name": "convneur",
        "pipeline_tag": task,
        "tags": ["convneur", "vision-backbone", *(["neural-memory"] if config.memory != "none" else [])],
        "datasets": list(datasets),
        "metrics": _METRICS.get(task),
    }
    text = yaml.safe_dump({key: value for key, value in said.items() if value}, sort_keys=False, allow_unicode=True)
    return f"---\n{text}---\n"


def model_facts(config: ConvNeurConfig) -> str:
    """What a model is, where it is not the default.

    >>> model_facts(ConvNeurConfig(dims=(8, 8, 8, 8), chunks=4, read="final"))
    'widths 8, 8, 8, 8; chunks 4; read final'
    """
    default = ConvNeurConfig(dims=config.dims).to_dict()
    changed = [f"{key} {value}" for key, value in config.to_dict().items() if value != default[key]]
    return "; ".join([f"widths {', '.join(map(str, config.dims))}", *changed])


def model_card(
    name: str,
    config: ConvNeurConfig,
    provenance: Mapping[str, Any],
    *,
    licence: str | None = None,
    datasets: Sequence[str] = (),
) -> str:
    """A card for weights: what they are, by their config and by what `train` keeps of their origin, and their use.

    >>> card = model_card("mine", ConvNeurConfig(dims=(8, 8, 8, 8)), {"classes": ["cat", "dog"]})
    >>> [line for line in card.splitlines() if line.startswith(("# ", "**"))]
    ['# mine', '**Model.** ConvNeur: widths 8, 8, 8, 8.', '**Classes.** cat, dog.']
    """
    preset = provenance.get("preset")
    known = [*datasets, *([preset] if isinstance(preset, str) and preset not in datasets else [])]
    lines = [card_head(config, licence=licence, datasets=known), f"# {name}", ""]
    lines += [f"**Model.** ConvNeur: {model_facts(config)}.", ""]
    classes, validation = provenance.get("classes"), provenance.get("validation")
    if config.head == "none":  # what classes and scores are of is not in the file
        classes = validation = None
        origin = ", of a detector that had one" if provenance.get("task") == "detection" else ""
        lines += [f"A backbone without a head{origin}.", ""]
    if isinstance(classes, (list, tuple)) and classes:
        lines += [f"**Classes.** {', '.join(map(str, classes))}.", ""]
    if isinstance(validation, Mapping):
        scores = [
            f"{key} {value:.3f}" for key, value in validation.items() if isinstance(value, float) and key != "score"
        ]
        lines += [f"**Validation.** {'; '.join(scores)}.", ""]
    lines += [
        "## Use",
        "",
        "```python",
        "import convneur",
        "from huggingface_hub import snapshot_download",
        "",
        f'folder = snapshot_download("{name}")  # or the folder that this file is in',
        "model, provenance = convneur.load_checkpoint(folder)",
    ]
    if config.head != "none":
        lines += ['prediction = convneur.load(folder).predict("image.jpg")']
    return "\n".join([*lines, "```", ""])
