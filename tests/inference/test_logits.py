"""Windows over large images: where they lie, and that they change nothing but near their seams."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from convneur.inference.modules import pixel_logits
from convneur.inference.windows import window_spans
from convneur.model.network import ConvNeur
from convneur.variants import ConvNeurConfig

TINY = ConvNeurConfig(dims=(8, 8, 8, 8), depths=(1, 1, 1, 1), mem_dim=8, chunk_length=8)


@pytest.mark.parametrize(
    ("side", "window"),
    [(10, 32), (32, 32), (33, 32), (100, 32), (64, 63), (257, 256), (1025, 1024), (1500, 512), (2000, 300)],
)
def test_windows_cover_a_side_and_overlap(side: int, window: int) -> None:
    spans = window_spans(side, window)
    assert spans[0][0] == 0
    assert spans[-1][1] == side
    assert all(start <= end - window // 4 for (start, _), (_, end) in zip(spans[1:], spans[:-1], strict=True))
    assert all(end - start in range(min(window, side), window + 32) for start, end in spans)
    assert window < 43 or all(start % 32 == 0 for start, _ in spans)


def test_windows_equal_the_whole_away_from_seams() -> None:
    """A local-only net whose head's group norm is taken out: with 3x3 kernels it looks 124 pixels far."""
    torch.manual_seed(0)
    photo = np.random.default_rng(0).integers(0, 256, (64, 896, 3), dtype=np.uint8)
    model = ConvNeur(TINY.replace(memory="none", head="light-fpn", num_classes=3, kernel_size=3)).eval()
    model.head.smooth[1] = torch.nn.Identity()
    whole, cut = (pixel_logits(model, [photo], window=window) for window in (None, (64, 512)))
    assert whole.shape == cut.shape == (1, 3, 64, 896)
    seam = slice(384, 512)  # both windows see it
    differs = (whole - cut).abs().amax((0, 1, 2)) > 1e-5
    assert differs[seam].any()
    differs[seam] = False
    assert not differs.any()


def test_windows_of_any_size_put_pixels_where_they_were() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (70, 151, 3), dtype=np.uint8)
    model = Points(TINY.replace(memory="none", head="semantic-fpn", num_classes=3)).eval()
    whole, cut = (pixel_logits(model, [photo], window=window) for window in (None, (64, 64)))
    assert whole.shape == cut.shape == (1, 3, 70, 151)
    torch.testing.assert_close(whole, cut)
    smaller = pixel_logits(model, [photo, photo], scale=0.5)
    assert smaller.shape == (2, 3, 70, 151)


class Points(ConvNeur):
    """Sees a pixel at a time, so that windows make no difference but by a mistake of theirs."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.tensor([1.0, 2.0, 3.0])[:, None, None]


@pytest.mark.parametrize("window", [32, 43, 64, 96, 224])
def test_exact_windows_are_of_one_size_and_overlap_by_a_fourth(window: int) -> None:
    for side in range(window, 5 * window, 7):
        spans = window_spans(side, window, exact=True)
        assert (spans[0][0], spans[-1][1]) == (0, side)
        assert {end - start for start, end in spans} == {window}
        assert all(begin < later <= begin + window * 3 // 4 for (begin, _), (later, _) in pairwise(spans))
