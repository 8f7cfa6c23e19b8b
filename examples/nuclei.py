"""The nuclei that `convneur demo` writes, as a data set of PyTorch's: what the recipes beside this file train on."""

from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from convneur.data.images import normalise, read_photo
from convneur.data.labels import read_label_map

__all__ = ["Nuclei"]


class Nuclei(Dataset[tuple[Tensor, Tensor]]):
    """Pairs: an image (3, H, W), normalised as the packaged weights were trained, and its label map (H, W)."""

    def __init__(self, folder: str | Path, split: str) -> None:
        self.images = sorted((Path(folder) / "images" / split).iterdir())
        self.masks = [Path(folder) / "masks" / split / f"{image.stem}.png" for image in self.images]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image = normalise(read_photo(self.images[index], long_side=None).pixels)
        labels = read_label_map(self.masks[index]).astype("int64")
        return torch.from_numpy(image), torch.from_numpy(labels)
