"""The bootstrap's two halves: draws with replacement, and bounds of what they gave."""

import numpy as np

from convneur.resampling import percentile_interval, resample_counts


def test_each_resample_draws_as_many_images_as_there_are() -> None:
    drawn = np.stack(list(resample_counts(7, 2000, seed=3)))
    assert drawn.shape == (2000, 7)
    assert set(drawn.sum(axis=1)) == {7}
    np.testing.assert_allclose(drawn.mean(axis=0), 1, atol=0.1)
    # With replacement an image is left out of (6/7)^7 of them.
    np.testing.assert_allclose((drawn == 0).mean(), (6 / 7) ** 7, atol=0.02)
    np.testing.assert_array_equal(drawn, np.stack(list(resample_counts(7, 2000, seed=3))))
    assert not np.array_equal(drawn, np.stack(list(resample_counts(7, 2000, seed=4))))


def test_bounds_are_percentiles_of_the_defined_values() -> None:
    values = np.random.default_rng(0).standard_normal((400, 3))
    values[::3, 1] = np.nan
    values[:, 2] = np.nan
    low, high, counts = percentile_interval(values, 0.9)
    for column in (0, 1):
        defined = values[~np.isnan(values[:, column]), column]
        np.testing.assert_allclose((low[column], high[column]), np.percentile(defined, [5, 95]))
    assert np.isnan([low[2], high[2]]).all()
    assert counts.tolist() == [400, 266, 0]
