"""Channel reductions by hand."""

import numpy as np
import pytest

from convneur.gates.reduce import principal_axis, reduce_channels

RNG = np.random.default_rng(1)
FEATURES = RNG.standard_normal((6, 5, 7)).astype(np.float32)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("rms", [[np.sqrt(12.5), 0.0], [1.0, 2.0]]),
        ("mean", [[-0.5, 0.0], [1.0, 0.0]]),
        ("absmean", [[3.5, 0.0], [1.0, 2.0]]),
        ("max", [[3.0, 0.0], [1.0, 2.0]]),
    ],
)
def test_by_hand(how: str, expected: list[list[float]]) -> None:
    features = np.array([[[3, 0], [1, 2]], [[-4, 0], [1, -2]]], dtype=np.float32)
    reduced = reduce_channels(features, how)
    np.testing.assert_allclose(reduced, expected, rtol=1e-6)
    assert reduced.dtype == np.float32


def test_rms_of_large_values_does_not_overflow() -> None:
    np.testing.assert_allclose(reduce_channels(np.full((4, 2, 2), 3e30, np.float32), "rms"), 3e30, rtol=1e-6)


def test_pca_finds_the_direction_of_most_variance() -> None:
    axis = np.array([0.6, -0.8, 0.0])
    amount = RNG.standard_normal((9, 11)) * 5
    features = axis[:, None, None] * amount + RNG.standard_normal((3, 9, 11)) * 1e-3 + 2.0
    found = principal_axis(features.astype(np.float32))
    np.testing.assert_allclose(found, -axis, atol=1e-3)  # the largest component is the positive one
    np.testing.assert_allclose(reduce_channels(features.astype(np.float32), "pca"), (features.T @ found).T, rtol=1e-4)


def test_pca_sign_does_not_depend_on_the_features_sign() -> None:
    np.testing.assert_allclose(principal_axis(FEATURES), principal_axis(-FEATURES), atol=1e-9)
    assert np.abs(principal_axis(FEATURES)).max() == principal_axis(FEATURES).max()


def test_pca_on_a_given_axis() -> None:
    axis = np.eye(6)[2]
    np.testing.assert_allclose(reduce_channels(FEATURES, "pca", axis=axis), FEATURES[2], rtol=1e-6)


def test_pca_of_constant_features_is_constant() -> None:
    reduced = reduce_channels(np.ones((4, 3, 5), np.float32), "pca")
    assert np.isfinite(reduced).all()
    assert np.ptp(reduced) == 0


def test_a_gate_that_ignores_the_features_multiplies_their_rms() -> None:
    """The reason for rms as the default: the gate's row times F_loc's row is the gated row."""
    f_loc, gate = RNG.standard_normal((4000, 2, 2)), RNG.uniform(0, 1, (4000, 2, 2))
    product = reduce_channels(f_loc.astype(np.float32), "rms") * reduce_channels(gate.astype(np.float32), "rms")
    np.testing.assert_allclose(reduce_channels((f_loc * gate).astype(np.float32), "rms"), product, rtol=0.05)
