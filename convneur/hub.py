"""ConvNeur on the Hugging Face Hub: `save_pretrained`, `from_pretrained` and `push_to_hub`.

    from convneur.hub import HubConvNeur

    model = HubConvNeur.from_pretrained("name/of-a-repository")  # a folder, or packaged weights by name
    model.save_pretrained("folder")
    model.push_to_hub("name/of-a-repository")

Needs huggingface_hub (the extra `hub`). `convneur.load` and `load_checkpoint` read such a folder without it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import PyTorchModelHubMixin, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from convneur.cards import model_card
from convneur.checkpoints import load_checkpoint, save_folder
from convneur.errors import ConfigError, InputError
from convneur.model.network import ConvNeur
from convneur.packaged import FOLDER_CONFIG, FOLDER_WEIGHTS, packaged_weights, weights_path
from convneur.variants import ConvNeurConfig

__all__ = ["HubConvNeur"]


class HubConvNeur(ConvNeur, PyTorchModelHubMixin):
    """A ConvNeur that is saved to a folder and to the Hugging Face Hub, and made from either.

    Args:
        config: of the model. provenance: what is known of its weights' origin: plain JSON data, such as `classes`.

    >>> import tempfile
    >>> import convneur
    >>> model = HubConvNeur.from_pretrained("camvid")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save_pretrained(folder, model_card_kwargs={"licence": "other"})
    ...     convneur.load(folder).classes == convneur.load("camvid").classes
    True
    """

    def __init__(self, config: ConvNeurConfig, provenance: Mapping[str, Any] | None = None) -> None:
        super().__init__(config)
        self.provenance: Mapping[str, Any] = dict(provenance or {})

    @classmethod
    def of(cls, model: ConvNeur, provenance: Mapping[str, Any] | None = None) -> "HubConvNeur":
        """A model as one that the Hub takes; the tensors stay the model's own.

        >>> import convneur
        >>> model, provenance = convneur.load_checkpoint("photos")
        >>> HubConvNeur.of(model, provenance).head.linear.weight is model.head.linear.weight
        True
        """
        with torch.device("meta"):
            made = cls(model.config, provenance)
        made.load_state_dict(model.state_dict(keep_vars=True), assign=True)
        return made.train(model.training)

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        force_download: bool = False,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        revision: str | None = None,
    ) -> "HubConvNeur":
        """The model of a folder, of packaged weights by name, or of a repository of the Hub; in eval mode.

        Raises: ConfigError: no such thing; InputError: it cannot be fetched, or is no ConvNeur.
        """
        name = str(pretrained_model_name_or_path)
        path = weights_path(name)
        if not path.is_file() and path.is_dir():
            return cls.of(*load_checkpoint(path))  # which says what the folder lacks
        if not path.is_file():
            files = [FOLDER_CONFIG, FOLDER_WEIGHTS]
            try:
                path = Path(
                    snapshot_download(
                        name,
                        revision=revision,
                        cache_dir=cache_dir,
                        force_download=force_download,
                        token=token,
                        local_files_only=local_files_only,
                        allow_patterns=files,
                    )
                )
            except HFValidationError:
                problem = f"no such folder; packaged weights are {', '.join(packaged_weights())}"
                raise ConfigError("pretrained_model_name_or_path", problem, value=name) from None
            except (HfHubHTTPError, OSError) as error:
                reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
                raise InputError(name, f"cannot be fetched from the Hugging Face Hub ({reason})") from None
            if not all((path / file).is_file() for file in files):
                raise InputError(name, f"the repository has no {' or no '.join(files)}; it holds no ConvNeur")
        return cls.of(*load_checkpoint(path))

    def save_pretrained(
        self,
        save_directory: str | Path,
        *,
        force: bool = False,
        repo_id: str | None = None,
        push_to_hub: bool = False,
        model_card_kwargs: Mapping[str, Any] | None = None,
        config: object = None,
        **push_to_hub_kwargs: Any,
    ) -> str | None:
        """Write config.json, model.safetensors and README.md, a model card.

        Args:
            force: replace files that exist. repo_id: the repository's name, which is the folder's otherwise.
            model_card_kwargs: licence (of the weights, by the Hub's name for it), datasets (their names), name (of the
                repository, where it is another).
            config: not used, the model has its own. push_to_hub, push_to_hub_kwargs: upload it too.
        Raises: OutputExistsError: a file exists and `force` is off; InputError: it cannot be written.
        """
        folder = Path(save_directory)
        said = {"name": repo_id or folder.resolve().name, **(model_card_kwargs or {})}
        card = model_card(config=self.config, provenance=self.provenance, **said)
        save_folder(self, folder, provenance=self.provenance, card=card, force=force)
        if not push_to_hub:
            return None
        return self.push_to_hub(said["name"], model_card_kwargs=model_card_kwargs, **push_to_hub_kwargs)

    def push_to_hub(self, repo_id: str, *, model_card_kwargs: Mapping[str, Any] | None = None, **settings: Any) -> str:
        """Upload what `save_pretrained` writes, in one commit; its address.

        Args:
            repo_id: the repository, made where it is missing. model_card_kwargs: as of `save_pretrained`.
            settings: of `huggingface_hub.PyTorchModelHubMixin.push_to_hub`: token, private, branch and others.
        """
        said = {"name": repo_id, **(model_card_kwargs or {})}
        address: str = super().push_to_hub(repo_id, model_card_kwargs=said, **settings)
        return address
