"""Average the weights of one model from several trainings, each by its share.

    python examples/average_weights.py OUT.safetensors LAST.safetensors:0.6 BEFORE.safetensors:0.4

Trainings that began from one another, or from the same weights, lie close enough for that (model soups: Wortsman et
al., ICML 2022); the mean of nets of other seeds is no net. Score what comes out.
Shares are divided by their sum. What the first file says of its origin is kept, but for its scores, with the files and
shares beside it.
"""

import argparse
from pathlib import Path

from convneur import load_checkpoint, save_checkpoint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("parts", nargs="+", metavar="FILE:SHARE")
    arguments = parser.parse_args()
    parts = [(Path(name), float(share)) for name, _, share in (each.rpartition(":") for each in arguments.parts)]
    whole = sum(share for _, share in parts)
    model, about = load_checkpoint(parts[0][0])
    means = {name: tensor * 0 for name, tensor in model.state_dict().items()}
    for path, share in parts:
        other = load_checkpoint(path, expect=model.config.to_dict()).model.state_dict()
        for name, tensor in other.items():
            means[name] += tensor * (share / whole)
    model.load_state_dict(means)
    origin = {key: value for key, value in about.items() if key not in ("scores", "validation")}
    origin["average"] = [f"{path.name} {share:g}" for path, share in parts]
    save_checkpoint(model, arguments.out, provenance=origin, force=True)


if __name__ == "__main__":
    main()
