"""A Lightning module that trains a ConvNeur with a dense head and measures its boundaries after each epoch.

    pip install lightning torchmetrics
    python examples/lightning_module.py convneur-demo/nuclei --epochs 3

The folder is one that `convneur demo` writes.
"""

import argparse

import lightning
import torch
from lightning.pytorch.loggers import CSVLogger
from nuclei import Nuclei
from torch import Tensor, nn
from torch.utils.data import DataLoader

import convneur
from convneur.torchmetrics import BoundaryMetric

Batch = tuple[Tensor, Tensor]


class Segmenter(lightning.LightningModule):
    def __init__(self, classes: int, lr: float = 3e-4) -> None:
        super().__init__()
        self.lr = lr
        trained = convneur.load_checkpoint("photos").model
        self.model = convneur.create(trained.config.replace(head="light-fpn", num_classes=classes))
        backbone = {name: tensor for name, tensor in trained.state_dict().items() if not name.startswith("head.")}
        self.model.load_state_dict(backbone, strict=False)
        self.boundary = BoundaryMetric(classes, metrics=["boundary_f1", "miou"], tolerance="3px")

    def training_step(self, batch: Batch, index: int) -> Tensor:
        images, labels = batch
        loss = nn.functional.cross_entropy(self.model(images), labels, ignore_index=255)
        self.log("loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: Batch, index: int) -> None:
        images, labels = batch
        self.boundary.update(self.model(images).argmax(1), labels)

    def on_validation_epoch_end(self) -> None:
        self.log_dict(self.boundary.compute(), prog_bar=True)  # boundary_f1/3px, miou
        self.boundary.reset()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=self.lr, weight_decay=0.05)


def main(arguments: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="nuclei/ of the demo's folder")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--out", default="lightning_logs", help="where Lightning keeps its checkpoints and logs")
    parser.add_argument("--batches", type=int, help="of an epoch; all by default")
    given = parser.parse_args(arguments)
    lightning.seed_everything(0, verbose=False)
    trainer = lightning.Trainer(
        max_epochs=given.epochs,
        default_root_dir=given.out,
        logger=CSVLogger(given.out),
        limit_train_batches=given.batches,
        log_every_n_steps=1,
        accelerator="auto",
    )
    trainer.fit(
        Segmenter(classes=2),
        DataLoader(Nuclei(given.folder, "train"), batch_size=4, shuffle=True),
        DataLoader(Nuclei(given.folder, "val"), batch_size=4),
    )
    scores = {name: float(value) for name, value in trainer.callback_metrics.items()}
    print(scores)
    return scores


if __name__ == "__main__":
    main()
