"""A decoder of segmentation_models_pytorch on ConvNeur, trained for a few steps.

    pip install segmentation-models-pytorch
    python examples/smp_decoder.py convneur-demo/nuclei --decoder Unet --steps 20

The folder is one that `convneur demo` writes. Decoders that work on the pyramid: Unet, UnetPlusPlus, MAnet, Linknet,
FPN, PSPNet, PAN, DeepLabV3, DeepLabV3Plus, UPerNet, Segformer.
"""

import argparse
from itertools import islice

import segmentation_models_pytorch as smp
import torch
from nuclei import Nuclei
from segmentation_models_pytorch.encoders._base import EncoderMixin
from torch import Tensor, nn
from torch.utils.data import DataLoader

import convneur


class ConvNeurEncoder(nn.Module, EncoderMixin):
    """The pyramid as the decoders take it: the image, an empty map for stride 2, then strides 4 to 32."""

    def __init__(self, weights: str = "photos", depth: int = 5, output_stride: int = 32) -> None:
        super().__init__()
        trained = convneur.load_checkpoint(weights).model
        self.backbone = convneur.create(trained.config.replace(head="none", output_stride=output_stride))
        self.backbone.load_state_dict(trained.state_dict(), strict=False)  # all but the head
        self._depth, self._in_channels, self._output_stride = depth, 3, output_stride
        self._out_channels = [3, 0, *self.backbone.config.dims]

    def forward(self, x: Tensor) -> list[Tensor]:
        batch, _, height, width = x.shape
        at_stride_2 = x.new_empty(batch, 0, height // 2, width // 2)
        return [x, at_stride_2, *self.backbone.forward_features(x)][: self._depth + 1]

    def make_dilated(self, output_stride: int) -> None:
        """The backbone was built so: DeepLab and PAN ask for an output stride of 16 or 8."""


smp.encoders.encoders["convneur"] = {"encoder": ConvNeurEncoder, "params": {}, "pretrained_settings": {}}


def build(decoder: str, classes: int) -> nn.Module:
    return smp.create_model(decoder, encoder_name="convneur", encoder_weights=None, classes=classes)


def main(arguments: list[str] | None = None) -> list[float]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="nuclei/ of the demo's folder")
    parser.add_argument("--decoder", default="Unet")
    parser.add_argument("--steps", type=int, default=20)
    given = parser.parse_args(arguments)
    torch.manual_seed(0)
    model = build(given.decoder, classes=2).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    loader = DataLoader(Nuclei(given.folder, "train"), batch_size=4, shuffle=True, drop_last=True)
    losses = []
    while len(losses) < given.steps:
        for images, labels in islice(loader, given.steps - len(losses)):
            loss = nn.functional.cross_entropy(model(images), labels, ignore_index=255)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            print(f"step {len(losses)}: loss {losses[-1]:.3f}")
    return losses


if __name__ == "__main__":
    main()
