"""Weights travel with their config and provenance; what is no such file is refused in one line."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from convneur import ConvNeur, ConvNeurConfig, InputError, load_checkpoint, save_checkpoint
from convneur.checkpoints import check_finite, save_folder
from convneur.inference import load
from convneur.packaged import local_twin
from convneur.tensor_files import TensorFile

SMALL = ConvNeurConfig(dims=(8, 12, 16, 20), depths=(1, 1, 1, 1), mem_dim=8, num_classes=5, chunks=(4, 3, 2, 1))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "net.safetensors"
    save_checkpoint(ConvNeur(SMALL), path, provenance={"seed": 0, "data": ["none"]})
    return path


def rewritten(path: Path, **metadata: str) -> Path:
    """The file with other metadata."""
    given = {"format": "convneur.weights/1", "config": json.dumps(SMALL.to_dict()), "provenance": "{}"}
    save_file(load_file(path), path, metadata={**given, **metadata})
    return path


@pytest.mark.parametrize("about", [{"loss": float("nan")}, {"best": [float("inf")]}, {1: 2, "1": 3}])
def test_what_could_not_be_read_back_is_not_written(saved: Path, about: dict[Any, Any]) -> None:
    before = saved.read_bytes()
    with pytest.raises(ValueError, match=r"provenance: .*; leave it out or give None"):
        save_checkpoint(ConvNeur(SMALL), saved, provenance=about, force=True)
    with pytest.raises(ValueError, match="provenance: "):
        save_folder(ConvNeur(SMALL), saved.parent / "folder", provenance=about)
    assert saved.read_bytes() == before
    assert not list((saved.parent / "folder").iterdir())


def test_a_net_comes_back_as_it_was(saved: Path) -> None:
    torch.manual_seed(0)
    model = ConvNeur(SMALL).eval()
    back, provenance = load_checkpoint(saved)
    assert back.config == SMALL
    assert not back.training
    assert provenance == {"seed": 0, "data": ["none"]}
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(back(x), model(x))
    assert all(parameter.requires_grad for parameter in back.parameters())  # and can be trained on


def test_half_precision_weights_are_widened(saved: Path) -> None:
    halved = {name: tensor.half() for name, tensor in load_file(saved).items()}
    save_file(halved, saved, metadata={
        "format": "convneur.weights/1", "config": json.dumps(SMALL.to_dict()), "provenance": "{}"})  # fmt: skip
    assert {p.dtype for p in load_checkpoint(saved).model.parameters()} == {torch.float32}


def test_an_existing_file_is_kept_unless_forced(saved: Path) -> None:
    before = saved.read_bytes()
    with pytest.raises(InputError, match="exists already"):
        save_checkpoint(ConvNeur(SMALL), saved)
    assert saved.read_bytes() == before
    save_checkpoint(ConvNeur(SMALL), saved, force=True)
    assert saved.read_bytes() != before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


class _Trap:
    """What a pickle can do to who loads it."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (pytest.fail, ("a pickle was loaded",))


@pytest.mark.parametrize("writer", ["torch.save", "legacy torch.save", "pickle 4", "pickle 0"])
def test_pickles_are_refused_unread(tmp_path: Path, writer: str) -> None:
    path = tmp_path / "net.pt"
    if writer.startswith("pickle"):
        path.write_bytes(pickle.dumps(_Trap(), protocol=int(writer[-1])))
    else:
        torch.save({"trap": _Trap()}, path, _use_new_zipfile_serialization=writer == "torch.save")
    with pytest.raises(InputError, match=r"convneur\.save_checkpoint|not a (readable )?safetensors"):
        load_checkpoint(path)


def test_broken_files_are_named(saved: Path, tmp_path: Path) -> None:
    truncated = tmp_path / "half.safetensors"
    truncated.write_bytes(saved.read_bytes()[:1000])
    empty = tmp_path / "empty.safetensors"
    empty.touch()
    foreign = tmp_path / "foreign.safetensors"
    save_file({"a": torch.zeros(2)}, foreign)
    for path in (truncated, empty, foreign, tmp_path, tmp_path / "missing"):
        with pytest.raises(InputError) as caught:
            load_checkpoint(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"format": "other/2"}, "other/2"),
        ({"config": "{"}, "description"),
        ({"config": "[" * 100_000}, "nested too deep"),
        ({"config": "[]"}, "config: must be an object"),
        ({"provenance": '{"steps": ' + "1" * 5000 + "}"}, "thousands of digits"),
        ({"provenance": "[1]"}, "provenance: must be an object"),
        ({"config": json.dumps({**SMALL.to_dict(), "colour": 3})}, "colour"),
        ({"config": json.dumps({**SMALL.to_dict(), "depths": [0, 1, 1, 1]})}, "depths"),
        ({"config": json.dumps({**SMALL.to_dict(), "dims": [8, 12, 16, 24]})}, "not"),
        ({"config": json.dumps({**SMALL.to_dict(), "depths": [2, 1, 1, 1]})}, "missing"),
        ({"config": json.dumps({**SMALL.to_dict(), "memory": "none"})}, "lacks"),
    ],
)
def test_a_file_that_does_not_fit_its_description_is_refused(
    saved: Path, metadata: dict[str, str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        load_checkpoint(rewritten(saved, **metadata))


@pytest.mark.parametrize("change", [{"depths": [1, 1, 10**9, 1]}, {"dims": [8, 12, 16, 2**53]}, {"mem_dim": 16384}])
def test_absurd_sizes_are_refused_before_anything_is_made(
    saved: Path, change: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither modules, which fill the memory on the meta device too, nor tensors."""
    config = SMALL.to_dict() | {"depths": [9, 9, 9, 9], "memory": "per-layer"} | change
    path = rewritten(saved, config=json.dumps(config))
    monkeypatch.setattr("convneur.checkpoints.ConvNeur", lambda config: pytest.fail("a model was made"))
    with pytest.raises(InputError, match=rf"config\.({'|'.join(change)}|dims): .* at most"):
        load_checkpoint(path)


def test_no_tensor_is_read_of_a_file_that_does_not_fit(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = rewritten(saved, config=json.dumps({**SMALL.to_dict(), "dims": [8, 12, 16, 24]}))
    monkeypatch.setattr(TensorFile, "read", lambda *_: pytest.fail("tensors were read"))
    with pytest.raises(InputError, match="not of the model it describes"):
        load_checkpoint(path)


def test_tensors_that_are_no_floating_point_numbers_are_refused(saved: Path) -> None:
    tensors = {name: tensor.to(torch.int64) for name, tensor in load_file(saved).items()}
    save_file(tensors, saved, metadata={
        "format": "convneur.weights/1", "config": json.dumps(SMALL.to_dict()), "provenance": "{}"})  # fmt: skip
    with pytest.raises(InputError, match="is of I64, not of floating-point numbers"):
        load_checkpoint(saved)


def test_equal_models_give_equal_bytes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = ConvNeur(SMALL)
    about = {"seed": 0, "classes": ["wall", 'a "b"\n\x1b', "Straße"]}
    files = [tmp_path / f"{number}.safetensors" for number in range(8)]
    for path in files:  # safetensors' own order is another one in each of them
        save_checkpoint(model, path, provenance=about)
    assert len({path.read_bytes() for path in files}) == 1
    assert load_checkpoint(files[0]).provenance == about


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"classes": 5}, "provenance.classes: must be a list or null, not 5"),
        ({"settings": {"crop": [10**6, 10**6]}}, "crop: .* must be 32 to 4096"),
        ({"settings": {"crop": [64]}}, "crop: needs 2 values, not 1"),
        ({"mean": [0.5, 0.5, 1e308]}, "mean: .* from 0 to 1"),
        ({"std": [0.2, 0.2, 0]}, "std: .* from 0.001 to 1"),
        ({"preset": ["camvid"]}, "preset: must be text or null, not a list"),
        ({"classes": ["one"]}, "1 names for a model of 5"),
    ],
)
def test_what_a_model_is_asked_by_is_checked(saved: Path, about: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        load(rewritten(saved, provenance=json.dumps(about)))


def test_another_net_than_the_expected_one_is_refused(saved: Path) -> None:
    load_checkpoint(saved, expect={"dims": SMALL.dims})
    with pytest.raises(InputError, match="mem_dim 8, not 16"):
        load_checkpoint(saved, expect={"mem_dim": 16})


def test_packaged_weights_load_by_name_in_any_case() -> None:
    model, about = load_checkpoint("Photos")
    assert model.config.num_classes == 1000
    assert about["teacher"] == "EfficientNet-Lite0, classes of EfficientNet-Lite2"


def test_weights_that_are_no_numbers() -> None:
    model = ConvNeur(SMALL)
    check_finite(model, "w")
    with torch.no_grad():
        model.stem[0].bias[0] = float("nan")
    with pytest.raises(InputError, match=r"w: weight stem\.0\.bias holds NaN"):
        check_finite(model, "w")


def test_weights_are_a_file_like_others(saved: Path, tmp_path: Path) -> None:
    """Written into the one file that is locked and cleared, hence with the rights of the user's other files."""
    (tmp_path / "other").touch()
    assert saved.stat().st_mode == (tmp_path / "other").stat().st_mode


# -- Folders --


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_folder(ConvNeur(SMALL), tmp_path / "mine", provenance={"seed": 0}, card="# mine\n")
    return tmp_path / "mine"


def changed(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def test_a_folder_is_read_by_its_name(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    torch.manual_seed(0)
    wanted = ConvNeur(SMALL).state_dict()
    for name in (folder, folder / "model.safetensors"):
        model, provenance = load_checkpoint(name)
        assert model.config == SMALL
        assert provenance == {"seed": 0}
        assert all(torch.equal(tensor, wanted[key]) for key, tensor in model.state_dict().items())
    assert load(folder).model.config == SMALL


def test_a_folder_whose_weights_another_tool_wrote_is_read_by_its_config(folder: Path) -> None:
    weights = folder / "model.safetensors"
    save_file(load_file(weights), weights, metadata={"format": "pt"})
    changed(folder / "config.json", lambda said: said.update(architectures=["ConvNeur"]))
    model, provenance = load_checkpoint(folder)
    assert model.config == SMALL
    assert provenance == {"seed": 0}
    (folder / "config.json").unlink()
    with pytest.raises(InputError, match="not weights of a ConvNeur"):
        load_checkpoint(weights)


def test_a_config_of_something_else_beside_a_file_says_nothing_of_it(folder: Path) -> None:
    changed(folder / "config.json", lambda said: said.update(model_type="vit", config=None))
    assert load_checkpoint(folder).model.config == SMALL


def test_a_folder_is_written_whole_or_not_at_all(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / "config.json").unlink()
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"README\.md: exists already"):
        save_folder(ConvNeur(SMALL), folder, card="# new\n")
    assert [path.name for path in folder.iterdir()] == ["README.md"]
    torch.manual_seed(0)
    save_folder(ConvNeur(SMALL), folder, provenance={"seed": 0}, card="# mine\n", force=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda said: said["config"].update(read="after"),
            "another model than model.safetensors .read.; save",
        ),
        (lambda said: said["config"].update(dims=[8, 8]), "config.dims: needs 4 values, not 2; save the folder again"),
        (lambda said: said["config"].update(surprise=1), "config.surprise: is unknown here"),
        (lambda said: said["config"].update(mem_dim=1 << 40), "config.mem_dim: .* must be at most"),
        (lambda said: said.pop("config"), "config: must be an object, not null"),
        (lambda said: said.update(provenance=[1]), "provenance: must be an object, not a list"),
    ],
)
def test_a_folder_of_a_damaged_config_is_refused(
    folder: Path, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    changed(folder / "config.json", change)
    with pytest.raises(InputError, match=rf"config\.json: .*{said}"):
        load_checkpoint(folder)


def test_a_folder_of_no_config_at_all_is_refused(folder: Path, tmp_path: Path) -> None:
    for text in ("", "{", '{"model_type": "convneur", "model_type": "convneur"}', "[" * 10_000):
        (folder / "config.json").write_text(text)
        with pytest.raises(InputError, match=r"config\.json: .*; save the folder again"):
            load_checkpoint(folder)
    with pytest.raises(InputError, match=r"is a folder without config\.json and model\.safetensors; name a file"):
        load_checkpoint(tmp_path)


def test_a_folder_hides_packaged_weights_only_if_it_holds_a_model(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    Path("photos/config.json").write_text("{}")
    assert load_checkpoint("photos").model.config.num_classes == 1000
    assert local_twin("photos") == "photos-local"
    Path("photos/config.json").unlink()
    Path("photos").rmdir()
    folder.rename("photos")
    assert load_checkpoint("photos").model.config == SMALL
    assert local_twin("photos") is None


def test_a_model_that_its_config_does_not_describe_is_not_saved(tmp_path: Path) -> None:
    model = ConvNeur(ConvNeurConfig(dims=(8, 8, 8, 8), depths=(1, 1, 1, 1), mem_dim=8))
    model.head = torch.nn.Identity()
    with pytest.raises(ValueError, match=r"not the model that its config describes \(head\.linear\.bias\)"):
        save_checkpoint(model, tmp_path / "cut.safetensors")
    assert not list(tmp_path.iterdir())
