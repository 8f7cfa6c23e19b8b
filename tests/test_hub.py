"""Hugging Face: folders and repositories; the network alone is replaced, by a folder."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml

pytest.importorskip("huggingface_hub")  # the extra `hub`

from huggingface_hub import ModelCardData, PyTorchModelHubMixin, hub_mixin
from huggingface_hub.errors import LocalEntryNotFoundError

import convneur
from convneur import ConvNeur, ConvNeurConfig, InputError, OutputExistsError, hub, load_checkpoint, save_checkpoint
from convneur.errors import ConfigError
from convneur.hub import HubConvNeur
from convneur.packaged import packaged_weights, weights_path

SMALL = ConvNeurConfig(
    dims=(8, 12, 16, 20), depths=(1, 1, 1, 1), mem_dim=8, head="light-fpn", num_classes=2, chunks=4, read="final"
)
ABOUT = {"classes": ["road", 'sky: "blue"'], "preset": "camvid", "validation": {"step": 9, "score": 0.5, "miou": 0.5}}


@pytest.fixture
def model() -> HubConvNeur:
    torch.manual_seed(0)
    return HubConvNeur(SMALL, ABOUT).eval()


class Repositories:
    """The Hub: a folder for each repository, and what was asked of it."""

    def __init__(self, place: Path) -> None:
        self.place, self.asked = place, {}

    def __call__(self, token: str | None = None) -> "Repositories":  # HfApi(token=...)
        self.asked["token"] = token
        return self

    def create_repo(self, repo_id: str, **settings: Any) -> SimpleNamespace:
        self.asked |= settings
        return SimpleNamespace(repo_id=repo_id)

    def upload_folder(self, repo_id: str, folder_path: Path, **settings: Any) -> str:
        self.asked |= settings
        shutil.copytree(folder_path, self.place / repo_id)
        return f"https://hub/{repo_id}/commit/1"

    def snapshot_download(self, repo_id: str, *, allow_patterns: list[str], local_files_only: bool, **_: Any) -> str:
        if not (self.place / repo_id).is_dir():
            raise LocalEntryNotFoundError("Cannot find the requested files.\nMore.")
        found = self.place / "cache" / repo_id
        shutil.copytree(self.place / repo_id, found, ignore=lambda _, names: set(names) - set(allow_patterns))
        return str(found)


@pytest.fixture
def repositories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repositories:
    made = Repositories(tmp_path / "hub")
    monkeypatch.setattr(hub_mixin, "HfApi", made)
    monkeypatch.setattr(hub, "snapshot_download", made.snapshot_download)
    return made


def same(one: ConvNeur, other: ConvNeur) -> bool:
    others = other.state_dict()
    alike = [torch.equal(tensor, others[name]) for name, tensor in one.state_dict().items()]
    return one.config == other.config and all(alike) and len(alike) == len(others)


def test_a_model_goes_to_a_folder_and_comes_back(model: HubConvNeur, tmp_path: Path) -> None:
    assert isinstance(model, PyTorchModelHubMixin)
    assert model.save_pretrained(tmp_path / "mine") is None
    back = HubConvNeur.from_pretrained(tmp_path / "mine")
    assert same(back, model)
    assert not back.training
    assert back.provenance == ABOUT
    loaded = convneur.load(tmp_path / "mine")
    assert loaded.classes == ("road", 'sky: "blue"')
    assert same(loaded.model, model)  # type: ignore[arg-type]


def test_a_folder_that_holds_a_model_is_kept_unless_forced(model: HubConvNeur, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    before = (tmp_path / "model.safetensors").read_bytes()
    other = HubConvNeur(SMALL)
    with pytest.raises(OutputExistsError):
        other.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == before
    other.save_pretrained(tmp_path, force=True)
    assert same(HubConvNeur.from_pretrained(tmp_path), other)


def test_a_model_goes_to_the_hub_and_comes_back(model: HubConvNeur, repositories: Repositories) -> None:
    said = {"licence": "mit", "datasets": ["camvid", "mine"]}
    address = model.push_to_hub("me/mine", token="t", private=True, branch="new", model_card_kwargs=said)
    assert address == "https://hub/me/mine/commit/1"
    assert {"token": "t", "private": True, "revision": "new"}.items() <= repositories.asked.items()
    card = (repositories.place / "me" / "mine" / "README.md").read_text()
    assert "# me/mine" in card
    assert 'snapshot_download("me/mine")' in card
    assert same(HubConvNeur.from_pretrained("me/mine"), model)


def test_save_pretrained_can_push_too(model: HubConvNeur, repositories: Repositories, tmp_path: Path) -> None:
    assert model.save_pretrained(tmp_path / "mine", push_to_hub=True) == "https://hub/mine/commit/1"
    assert sorted(path.name for path in (repositories.place / "mine").iterdir()) == [
        "README.md", "config.json", "model.safetensors"]  # fmt: skip


def test_what_cannot_be_had_is_one_line(repositories: Repositories, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^me/none: cannot be fetched from the Hugging Face Hub .Cannot [^\n]*$"):
        HubConvNeur.from_pretrained("me/none")
    (repositories.place / "me" / "vit").mkdir(parents=True)
    (repositories.place / "me" / "vit" / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"has no config\.json or no model\.safetensors; it holds no"):
        HubConvNeur.from_pretrained("me/vit")
    with pytest.raises(InputError, match="cannot be fetched"):  # the packaged weights of that name are no such folder
        HubConvNeur.from_pretrained("fotos")


def test_a_name_that_no_repository_can_have(tmp_path: Path) -> None:
    """By the Hub's own check, before anything is sent."""
    with pytest.raises(ConfigError, match="no such folder; packaged weights are camvid"):
        HubConvNeur.from_pretrained(tmp_path / "none")


def test_a_folder_that_is_no_repository_is_not_asked_for_on_the_hub(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is a folder without config\.json and model\.safetensors"):
        HubConvNeur.from_pretrained(tmp_path)


def test_a_packaged_model_and_one_in_memory(tmp_path: Path) -> None:
    packaged, provenance = load_checkpoint("camvid")
    assert same(HubConvNeur.from_pretrained("CamVid"), packaged)
    mine = HubConvNeur.of(packaged.train(), provenance)
    assert mine.training
    assert mine.stem[0].weight is packaged.stem[0].weight
    mine.save_pretrained(tmp_path / "folder")
    assert same(load_checkpoint(tmp_path / "folder").model, packaged)
    save_checkpoint(mine, tmp_path / "file.safetensors", provenance=mine.provenance)
    assert same(load_checkpoint(tmp_path / "file.safetensors").model, packaged)


def test_the_card_of_a_backbone_has_no_scores_of_the_detector_it_is_from(tmp_path: Path) -> None:
    HubConvNeur.from_pretrained("nuclei").save_pretrained(tmp_path / "nuclei")
    card = (tmp_path / "nuclei" / "README.md").read_text()
    assert "A backbone without a head, of a detector that had one." in card
    assert "Validation" not in card
    assert "Classes" not in card


def head_of(card: str) -> dict[str, Any]:
    before, head, _ = card.split("---\n", 2)
    assert before == ""
    found: dict[str, Any] = yaml.safe_load(head)
    ModelCardData(**found)  # takes all that is there
    return found


def test_a_card_says_what_the_hub_sorts_by(model: HubConvNeur, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "mine", model_card_kwargs={"licence": "mit"})
    card = (tmp_path / "mine" / "README.md").read_text()
    assert head_of(card) == {
        "license": "mit", "library_name": "convneur", "pipeline_tag": "image-segmentation",
        "tags": ["convneur", "vision-backbone", "neural-memory"], "datasets": ["camvid"],
        "metrics": ["mean_iou", "accuracy"],
    }  # fmt: skip
    assert "**Validation.** miou 0.500." in card
    HubConvNeur(
        SMALL.replace(head="none", memory="none"), {"classes": 3, "validation": [], "preset": 1}
    ).save_pretrained(tmp_path / "bare")
    bare = head_of((tmp_path / "bare" / "README.md").read_text())
    assert bare == {
        "library_name": "convneur", "pipeline_tag": "image-feature-extraction", "tags": ["convneur", "vision-backbone"]
    }  # fmt: skip


@pytest.mark.parametrize("name", packaged_weights())
def test_packaged_cards_have_such_a_head(name: str) -> None:
    head = head_of(weights_path(name).with_suffix(".md").read_text(encoding="utf-8"))
    task = {"camvid": "image-segmentation", "nuclei": "object-detection"}.get(name.removesuffix("-local"))
    metrics = {"image-segmentation": ["mean_iou", "accuracy"], "object-detection": None, None: ["accuracy"]}[task]
    assert head["license"] == "other"
    assert head["library_name"] == "convneur"
    assert head["pipeline_tag"] == (task or "image-classification")
    assert head.get("metrics") == metrics
    assert ("neural-memory" in head["tags"]) is not name.endswith("-local")
    assert head["datasets"]
