"""The parts of training one by one: views, order, loss, schedule, state."""

import resource
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from convneur.data.augmentation import Augmentation, random_of
from convneur.data.examples import Example, Task, find_examples, read_example, survey
from convneur.data.presets import PRESETS
from convneur.data.reading import Reading
from convneur.errors import ConfigError, InputError
from convneur.model.network import ConvNeur
from convneur.training.batches import BatchShard
from convneur.training.diagnostics import FREE, excess, read_diagnostics, watched_contexts
from convneur.training.loss import class_weights, jaccard_loss, loss_sum, mixed, weight_of
from convneur.training.settings import RECIPES, TrainSettings, read_recipe
from convneur.training.state import RunProgress, load_state, save_state
from convneur.training.task import Batch
from convneur.variants import ConvNeurConfig

TINY = ConvNeurConfig(dims=(8, 8, 8, 8), depths=(1, 1, 1, 1), mem_dim=8, chunk_length=8)


def settings(**changes: Any) -> TrainSettings:
    return TrainSettings(task="classification", **{**read_recipe("small", "classification"), **changes})


def write(path: Path, pixels: np.ndarray[Any, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


# A photo whose red channel is its label: whatever a view does, photo and map must agree where they are not blended.
LABELS = np.zeros((60, 80), np.uint8)
LABELS[10:50, 20:60] = 7
LABELS[30:, 40:] = 3
PIXELS = np.repeat((LABELS * 30)[..., None], 3, axis=2)


def test_a_view_is_of_seed_epoch_and_index_alone() -> None:
    augmentation = Augmentation((32, 40), (0.5, 2.0), colour=0.4)
    again = [augmentation.segmentation(PIXELS, LABELS, random_of(1, 2, 3), 255) for _ in range(2)]
    assert np.array_equal(again[0][0], again[1][0])
    assert np.array_equal(again[0][1], again[1][1])
    for other in ((0, 2, 3), (1, 0, 3), (1, 2, 0)):
        assert not np.array_equal(augmentation.segmentation(PIXELS, LABELS, random_of(*other), 255)[0], again[0][0])


@pytest.mark.parametrize("scale", [(0.3, 0.5), (0.9, 1.1), (2.0, 3.0)])
def test_masks_are_never_interpolated_and_stay_on_their_photo(scale: tuple[float, float]) -> None:
    augmentation = Augmentation((48, 48), scale)
    for index in range(40):
        pixels, labels = augmentation.segmentation(PIXELS, LABELS, random_of(0, 0, index), 255)
        assert pixels.shape == (48, 48, 3)
        assert set(np.unique(labels)) <= {0, 3, 7, 255}
        inside = labels != 255
        off = np.abs(pixels[..., 0].astype(int) - labels.astype(int) * 30) > 40
        # Antialiased edges differ from the nearest label; areas do not.
        assert (off & inside).sum() <= 0.2 * inside.sum()
    with_wide_ids = augmentation.segmentation(PIXELS, LABELS.astype(np.int32) * 1000, random_of(0, 0, 0), 65535)[1]
    assert set(np.unique(with_wide_ids)) <= {0, 3000, 7000, 65535}


def test_a_small_photo_is_surrounded_by_ignored_pixels() -> None:
    pixels, labels = Augmentation((64, 96), (0.5, 0.5), flip=0).segmentation(PIXELS, LABELS, random_of(0, 0, 0), 255)
    assert (labels != 255).sum() == 30 * 40
    assert (pixels[labels == 255] == (124, 116, 104)).all()


@pytest.mark.parametrize("magnitude", [1.0, 10.0])
def test_every_operation_of_rand_augment_runs_and_each_changes_something(magnitude: float) -> None:
    random = np.random.default_rng(0)
    photo = random.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    plain, strong = (Augmentation((32, 32), (1.0, 1.0), rand_augment=m, erase=e) for m, e in ((0, 0), (magnitude, 0.5)))
    same = 0
    for index in range(200):
        one, other = (each.classification(photo, random_of(0, 0, index)) for each in (plain, strong))
        assert one.shape == other.shape == (32, 32, 3)
        same += np.array_equal(one, other)
    assert 0 < same < 60  # 1 of 4 has neither operation, half of those are not erased


def test_the_order_is_whole_epochs_whoever_computes_them() -> None:
    whole = [key for part in BatchShard().keys(5, 7, 4, range(7)) for key in part]
    assert Counter(whole) == Counter((epoch, index) for epoch in range(4) for index in range(7))
    shared = [list(BatchShard(rank, 2, 2).keys(5, 7, 4, range(7))) for rank in range(2)]
    for step in range(7):
        mine = [key for parts in shared for part in parts[2 * step : 2 * step + 2] for key in part]
        assert mine == whole[4 * step : 4 * step + 4]
    later = [key for part in BatchShard().keys(5, 7, 4, range(3, 7)) for key in part]
    assert later == whole[12:]
    assert whole[:7] != [key for part in BatchShard().keys(6, 7, 4, range(7)) for key in part][:7]


def test_parts_of_a_batch_add_up_to_its_loss() -> None:
    torch.manual_seed(0)
    logits, y = torch.randn(6, 3, 4, 5), torch.randint(3, (6, 4, 5))
    y[0] = -100
    y[3, :2] = -100
    weights = class_weights("sqrt", (100, 10, 0))
    total = weight_of(y, weights)
    parts = sum(loss_sum(logits[i : i + 2], y[i : i + 2], weights, 0.0) for i in (0, 2, 4))
    torch.testing.assert_close(parts / total, F.cross_entropy(logits, y, weights))
    assert class_weights("none", (5, 1)).tolist() == [1, 1]
    assert class_weights("inverse", (30, 10)).tolist() == pytest.approx([0.5, 1.5])
    assert class_weights("sqrt", (30, 10, 0))[2] == 1


def test_mixing_keeps_the_shares_of_the_classes() -> None:
    batch = Batch(torch.rand(4, 3, 32, 32), torch.tensor([0, 1, 2, 1]))
    for kind in ({"mixup": 0.8}, {"cutmix": 1.0}):
        x, y = mixed(batch, settings(**kind), 3, np.random.default_rng(1))
        assert y.sum(1).tolist() == pytest.approx([1] * 4)
        assert not torch.equal(x, batch.x)
        if "cutmix" in kind:  # a pixel is one photo's or the other's, by the share of the area
            own = (x == batch.x).all(1).float().mean((1, 2))
            assert own.tolist() == pytest.approx(y[range(4), batch.y].tolist(), abs=1e-6) or y[1].max() == 1
    assert mixed(batch, settings(), 3, np.random.default_rng(1)) is batch


def test_the_rate_rises_then_falls_as_a_cosine() -> None:
    plan = settings(lr=1.0, warmup=0.1, min_lr=0.1)
    rates = [plan.lr_at(step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert rates[10] == 1
    assert rates[55] == pytest.approx(0.55)
    assert 0.1 < rates[99] < 0.102
    assert plan.steps(33) == 104  # 100 epochs in batches of 32


def test_milestones_take_the_place_of_the_cosine() -> None:
    plan = settings(lr=1.0, warmup=0.1, milestones=(0.5, 0.75))
    assert [round(plan.lr_at(step, 100), 6) for step in (4, 10, 49, 50, 75)] == [0.5, 1, 1, 0.1, 0.01]
    assert "milestones" not in settings().to_dict()  # as files of earlier versions


def test_every_recipe_gives_each_value_and_its_source() -> None:
    of_task: dict[Task, set[str]] = {
        "classification": {"small", "imagenet"},
        "segmentation": {"small"},
        "detection": {"small", "coco-1x"},
    }
    assert set().union(*of_task.values()) == set(RECIPES)
    for task, names in of_task.items():
        for name in names:
            TrainSettings(task=task, **read_recipe(name, task))
    with pytest.raises(ConfigError, match="not for segmentation"):
        read_recipe("imagenet", "segmentation")


@pytest.mark.parametrize(
    "change",
    [{"scale": (0.5, 2.0)}, {"crop": (16, 32)}, {"batch": 0}, {"lr": float("nan")}, {"ema": 1.0}, {"clip": -1}],
)
def test_a_value_that_makes_no_sense_is_named(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"^{next(iter(change))} "):
        settings(**change)


def test_a_tenth_is_held_out_by_name_and_stays_when_photos_are_added(tmp_path: Path) -> None:
    for number in range(40):
        write(tmp_path / "train" / "ab"[number % 2] / f"{number}.png", np.zeros((4, 4, 3), np.uint8))
    first = find_examples(tmp_path, "classification", Reading())
    assert 1 <= len(first.val) <= 10
    assert not {e.name for e in first.train} & {e.name for e in first.val}
    for number in range(40, 60):
        write(tmp_path / "train" / "ab"[number % 2] / f"{number}.png", np.zeros((4, 4, 3), np.uint8))
    second = find_examples(tmp_path, "classification", Reading())
    assert {e.name for e in first.val} <= {e.name for e in second.val}


def test_names_and_ids_of_a_preset_are_read(tmp_path: Path) -> None:
    for folder, suffix in (("images", "_leftImg8bit"), ("masks", "_gtFine_labelIds")):
        for split in ("train", "val"):
            path = tmp_path / folder / split / "aachen" / f"aachen_000000{suffix}.png"
            write(path, np.full((8, 8) if folder == "masks" else (8, 8, 3), 7, np.uint8))
    reading = Reading(255, PRESETS["cityscapes"])
    found = find_examples(tmp_path, "segmentation", reading)
    assert (len(found.train), len(found.val), len(found.names or ())) == (1, 1, 19)
    assert survey(found.train, reading, 19).counts == (64,) + (0,) * 18  # id 7 is road, class 0


def test_more_than_a_hundredth_of_damaged_files_stops(tmp_path: Path) -> None:
    good = write(tmp_path / "good.png", np.zeros((4, 4, 3), np.uint8))
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"nothing")
    examples = [Example(str(number), good, 0) for number in range(99)]
    looked = survey([*examples, Example("bad", bad, 1)], Reading(), 2, threads=2)
    assert (len(looked.examples), len(looked.failed), looked.counts) == (99, 1, (99, 0))
    with pytest.raises(InputError, match=r"2 of 101 examples cannot be used, more than 1%: .*bad.png"):
        survey([*examples, Example("bad", bad, 1), Example("worse", bad, 1)], Reading(), 2)


def test_gauges_read_the_state_and_the_context() -> None:
    torch.manual_seed(0)
    model = ConvNeur(TINY).eval()
    x = torch.randn(2, 3, 64, 64)
    calm = read_diagnostics(model, x)
    with torch.no_grad():
        model.stages[2][0].global_branch.expand.bias += 500
        model.stages[0][0].global_branch.mixer.initial *= 100
    wild = read_diagnostics(model, x)
    assert wild.context[2] > 400 > 10 > calm.context[2]
    assert wild.memory[0] > 10 * calm.memory[0]
    assert wild.largest_context == wild.context[2]
    assert calm.largest_context < calm.largest == max(calm.memory)
    assert read_diagnostics(ConvNeur(TINY.replace(memory="none")).eval(), x).largest == 0
    assert read_diagnostics(model, x * float("nan")).largest == float("inf")


def test_the_jaccard_loss_of_a_certain_net_is_one_minus_its_miou() -> None:
    y = torch.randint(0, 3, (2, 9, 7), generator=torch.Generator().manual_seed(0))  # of 4 classes: one does not occur
    found = y.clone()
    found[0, :4] = 1
    found[1, 5:] = 3
    y[:, :, 0] = -100
    certain = torch.nn.functional.one_hot(found, 4).movedim(-1, 1) * 100.0
    counts = y >= 0
    iou = [float(((found == c) & (y == c)).sum() / (((found == c) | (y == c)) & counts).sum()) for c in range(3)]
    assert float(jaccard_loss(certain, y)) == pytest.approx(1 - sum(iou) / 3)
    logits = torch.zeros(2, 4, 9, 7, requires_grad=True)
    jaccard_loss(logits, torch.full_like(y, -100)).backward()
    assert logits.grad is not None
    assert not logits.grad.any()


@torch.no_grad()
def test_contexts_are_what_the_branches_give_and_nothing_stays_behind() -> None:
    model = ConvNeur(TINY).eval()
    x = torch.randn(2, 3, 40, 40)
    with watched_contexts(model) as contexts:
        model(x)
    assert [tuple(g.shape) for g in contexts] == [(2, 8, 10, 10), (2, 8, 5, 5), (2, 8, 3, 3), (2, 8, 2, 2)]
    branch = model.stages[0][0].global_branch
    assert torch.equal(contexts[0], branch(model.stem(x)))
    assert float(excess(contexts)) == 0  # a young net's gates move freely
    contexts[0].fill_(-FREE - 3)  # one branch of four, by 3
    assert float(excess(contexts)) == pytest.approx(9 / 4)
    model(x)
    assert len(contexts) == 4
    with watched_contexts(ConvNeur(TINY.replace(memory="none"))) as contexts:
        assert contexts == []


def progress(step: int) -> RunProgress:
    return {"step": step, "losses": [], "validations": []}


def test_a_full_disk_leaves_the_state_before_it(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    model, average = ConvNeur(TINY), ConvNeur(TINY)
    optimizer = torch.optim.AdamW(model.parameters())
    save_state(path, model=model, average=average, optimizer=optimizer, progress=progress(1))
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))  # a write beyond it fails
    try:
        with pytest.raises(InputError, match="could not be written"):
            save_state(path, model=model, average=average, optimizer=optimizer, progress=progress(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["state.safetensors"]
    assert load_state(path, model=average, average=model, optimizer=optimizer) == progress(1)


def test_a_state_of_another_net_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    model = ConvNeur(TINY)
    save_state(path, model=model, average=model, optimizer=torch.optim.AdamW(model.parameters()), progress=progress(0))
    other = ConvNeur(TINY.replace(mem_dim=16))
    with pytest.raises(InputError, match="is of another model"):
        load_state(path, model=other, average=other, optimizer=torch.optim.AdamW(other.parameters()))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="begin again with `force`"):
        load_state(path, model=model, average=model, optimizer=torch.optim.AdamW(model.parameters()))


def test_masks_of_grey_levels_are_refused_with_the_threshold(tmp_path: Path) -> None:
    """As classes they would be some 200, and 255 inside would be void."""
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    mask = Image.new("L", (16, 12))
    mask.paste(255, (5, 3, 11, 9))
    mask.resize((64, 48), Image.Resampling.BILINEAR).save(tmp_path / "soft.png")
    example = Example("a", tmp_path / "a.png", tmp_path / "soft.png")
    says = r"soft\.png: holds \d+ grey levels.*1 where a pixel is 128 or more"
    for classes in (None, 2, 256):
        with pytest.raises(InputError, match=says):
            survey([example], Reading(), classes)
    with pytest.raises(InputError, match=says):
        read_example(example, Reading(), 2)
