"""The recipes in examples/ that other libraries are needed for, on the packaged samples."""

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch

import convneur

EXAMPLES = Path(__file__).parents[2] / "examples"
NUCLEI = str(Path(convneur.__file__).parent / "data" / "samples" / "nuclei")


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports a file of examples/, or skips where its library is not installed."""
    monkeypatch.syspath_prepend(EXAMPLES)

    def load(name: str, library: str) -> Any:
        pytest.importorskip(library, reason=f"{library} is not installed; examples/{name}.py says how to install it")
        return importlib.import_module(name)

    return load


@pytest.fixture
def image() -> torch.Tensor:
    return torch.randn(1, 3, 128, 160, generator=torch.Generator().manual_seed(0))


DECODERS = ("Unet", "UnetPlusPlus", "MAnet", "Linknet", "FPN", "PSPNet", "PAN", "DeepLabV3", "DeepLabV3Plus", "UPerNet",
            "Segformer")  # fmt: skip


@pytest.mark.parametrize("decoder", DECODERS)
def test_a_decoder_labels_every_pixel(recipe: Any, image: torch.Tensor, decoder: str) -> None:
    example = recipe("smp_decoder", "segmentation_models_pytorch")
    assert decoder in example.__doc__
    model = example.build(decoder, classes=5).eval()
    assert model(image).shape == (1, 5, 128, 160)


def test_the_encoder_is_the_packaged_backbone(recipe: Any, image: torch.Tensor) -> None:
    example = recipe("smp_decoder", "segmentation_models_pytorch")
    features = example.build("Unet", classes=2).eval().encoder(image)
    expected = convneur.load_checkpoint("photos").model.forward_features(image)
    for ours, level in zip(features[2:], expected, strict=True):
        torch.testing.assert_close(ours, level)


def test_an_output_stride_reaches_the_backbone(recipe: Any, image: torch.Tensor) -> None:
    encoder = recipe("smp_decoder", "segmentation_models_pytorch").build("DeepLabV3Plus", classes=2).encoder
    assert encoder.backbone.config.output_stride == 16
    assert encoder.eval()(image)[-1].shape == (1, 320, 8, 10)


def test_a_decoder_learns(recipe: Any) -> None:
    losses = recipe("smp_decoder", "segmentation_models_pytorch").main([NUCLEI, "--decoder", "FPN", "--steps", "3"])
    assert losses[-1] < losses[0]


def test_mask_rcnn_learns_and_finds(recipe: Any) -> None:
    example = recipe("torchvision_detection", "torchvision")
    if not importlib.import_module("torchvision.extension")._has_ops():
        pytest.skip("torchvision's own operators belong to another build of torch than the installed one")
    losses = example.main([NUCLEI, "--steps", "2", "--size", "96", "--images", "1"])
    assert losses[-1] < losses[0]
    model = example.build(classes=2, min_size=96, box_score_thresh=0.0, box_detections_per_img=3).eval()
    (found,) = model([torch.rand(3, 64, 96)])
    assert found["masks"].shape[1:] == (1, 64, 96)
    assert found["boxes"].shape == (3, 4)


def test_instances_are_connected_regions(recipe: Any) -> None:
    example = recipe("torchvision_detection", "torchvision")
    labels = torch.zeros(20, 30, dtype=torch.long)
    labels[2:6, 3:9], labels[10:15, 20:25], labels[18, 1:5], labels[0, 29] = 1, 1, 1, 255
    found = example.instances(labels)
    assert found["boxes"].tolist() == [[3, 2, 8, 5], [20, 10, 24, 14]]  # the row of one pixel has no box
    assert found["masks"].sum((1, 2)).tolist() == [24, 25]


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # of Lightning's own calls
@pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers")
def test_lightning_trains_and_measures(recipe: Any, tmp_path: Path) -> None:
    example = recipe("lightning_module", "lightning")
    scores = example.main([NUCLEI, "--epochs", "1", "--batches", "2", "--out", str(tmp_path)])
    assert {"loss", "boundary_f1/3px", "miou"} <= scores.keys()
    assert 0 < scores["miou"] < 1
