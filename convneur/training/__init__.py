"""Training a model on a folder of images.

    run = convneur.training.train("camvid/", preset="camvid", minutes=45, out="runs/camvid")
    print(run)  # run.best, run.weights, run.save("run.json"); convneur.figures.training_figure(run)

`convneur train ... --resume` goes on with such a run, and `train(..., resume=True)` with the command's. Names load when
they are first used: importing this room alone imports no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convneur.training.data import TrainingData, fingerprint, prepare_data
    from convneur.training.engine import is_main_process, start_engine
    from convneur.training.folder import run_folder
    from convneur.training.plan import RunPlan, RunRequest, refuse_changes
    from convneur.training.profile import StepTime, faster_precision
    from convneur.training.result import TrainResult, read_result
    from convneur.training.run import train
    from convneur.training.settings import TrainSettings, recipe_settings, task_config
    from convneur.training.start import new_model
    from convneur.training.stopping import asked_to_stop
    from convneur.training.trainer import Trainer

_HOME = {
    "RunPlan": "plan",
    "RunRequest": "plan",
    "StepTime": "profile",
    "TrainResult": "result",
    "TrainSettings": "settings",
    "Trainer": "trainer",
    "TrainingData": "data",
    "asked_to_stop": "stopping",
    "faster_precision": "profile",
    "fingerprint": "data",
    "is_main_process": "engine",
    "new_model": "start",
    "prepare_data": "data",
    "read_result": "result",
    "recipe_settings": "settings",
    "refuse_changes": "plan",
    "run_folder": "folder",
    "start_engine": "engine",
    "task_config": "settings",
    "train": "run",
}

__all__ = [
    "RunPlan",
    "RunRequest",
    "StepTime",
    "TrainResult",
    "TrainSettings",
    "Trainer",
    "TrainingData",
    "asked_to_stop",
    "faster_precision",
    "fingerprint",
    "is_main_process",
    "new_model",
    "prepare_data",
    "read_result",
    "recipe_settings",
    "refuse_changes",
    "run_folder",
    "start_engine",
    "task_config",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"convneur.training.{_HOME[name]}"), name)
    raise AttributeError(f"module 'convneur.training' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
