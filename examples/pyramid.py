"""The backbone as a feature pyramid, and what its gate lets through, on a real photo.

python examples/pyramid.py [PHOTO]
"""

import sys

import torch
from skimage import data

from convneur import VARIANTS, ConvNeur
from convneur.data.images import read_photo

photo = read_photo(sys.argv[1], long_side=None).pixels if len(sys.argv) > 1 else data.chelsea()
x = torch.from_numpy(photo.copy()).permute(2, 0, 1)[None].float() / 255  # (1, 3, H, W)

torch.manual_seed(0)
model = ConvNeur(VARIANTS["m1"].replace(head="none")).eval()  # untrained: shapes and flow, not meaning
with torch.no_grad():
    features, taps = model.forward_taps((x - 0.45) / 0.225)

chunks = model.chunks(*x.shape[2:])
for stage, (level, level_features, count) in enumerate(zip(model.feature_info, features, chunks, strict=True), start=1):
    gate = taps[stage].gate
    print(
        f"stage {stage}: stride {level['reduction']:2d}, features {tuple(level_features.shape)}, {count} chunks, "
        f"gate {gate.min():.3f} to {gate.max():.3f}"
    )
