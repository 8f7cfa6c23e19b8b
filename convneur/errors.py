"""The two ways in which a caller can be wrong, so that a command can tell them apart."""

__all__ = ["ConfigError", "InputError"]


class InputError(ValueError):
    """An input that exists but cannot be processed. One line: which file, what is wrong, the mend."""


class ConfigError(ValueError):
    """A setting that no model or metric can have. One line: which setting, its value, what it may be."""
