"""What is said of weights that learned nothing. Apart from the models, for results need no torch."""

__all__ = ["untrained_stamp"]


def untrained_stamp(seed: int) -> str:
    """The words that a figure bears.

    >>> untrained_stamp(0)
    'UNTRAINED WEIGHTS, seed 0'
    """
    return f"UNTRAINED WEIGHTS, seed {seed}"
