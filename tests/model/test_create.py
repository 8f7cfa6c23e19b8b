"""A model by its name."""

import pytest

import convneur
from convneur import ConfigError, ConvNeur
from convneur.variants import VARIANTS, find_config


def test_create_takes_names_in_any_case_and_settings() -> None:
    model = convneur.create("M1", num_classes=10, chunks=4)
    assert isinstance(model, ConvNeur)
    assert model.config == convneur.VARIANTS["m1"].replace(num_classes=10, chunks=4)
    assert model.training
    assert convneur.create(model.config).config == model.config


def test_a_wrong_name_lists_the_right_ones() -> None:
    with pytest.raises(ConfigError, match="m1, m2, m3, m4"):
        convneur.create("m9")


def test_the_class_itself_says_what_takes_a_name() -> None:
    with pytest.raises(TypeError, match=r"not str: .* convneur\.create builds a model by its name"):
        ConvNeur("m1")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"not dict: ConvNeurConfig\.from_dict"):
        ConvNeur(convneur.VARIANTS["m1"].to_dict())  # type: ignore[arg-type]


def test_a_length_that_is_given_takes_the_place_of_a_configs_number_of_chunks() -> None:
    fixed = VARIANTS["m1"].replace(chunks=4)
    for settings in ({"chunk_length": 49}, {"min_chunks": 8}, {"model_preset": "dense"}):
        assert find_config(fixed, **settings).chunks is None
    assert find_config(fixed, read="after").chunks == 4
