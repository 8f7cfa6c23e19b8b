"""Training a model on a folder of images.

    run = convneur.training.train("camvid/", preset="camvid", minutes=45, out="runs/camvid")
    print(run)  # run.best, run.weights, run.save("run.json"); convneur.figures.training_figure(run)

`convneur train ... --resume` goes on with such a run, and `train(..., resume=True)` with the command's. Names load when
they are first used: importing this room alone imports no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convneur.training.asked import Asked
    from convneur.training.data import TrainingData, prepare_data
    from convneur.training.engine import is_main_process, start_engine
    from convneur.training.folder import clear_run, read_config, run_folder
    from convneur.training.plan import RunPlan, RunRequest
    from convneur.training.profile import StepTime, faster_precision
    from convneur.training.result import TrainResult, read_result
    from convneur.training.run import train
    from convneur.training.settings import TrainSettings
    from convneur.training.start import new_model
    from convneur.training.state import steps_done
    from convneur.training.stopping import asked_to_stop
    from convneur.training.trainer import Trainer

_HOME = {
    "Asked": "asked",
    "RunPlan": "plan",
    "RunRequest": "plan",
    "StepTime": "profile",
    "TrainResult": "result",
    "TrainSettings": "settings",
    "Trainer": "trainer",
    "TrainingData": "data",
    "asked_to_stop": "stopping",
    "clear_run": "folder",
    "faster_precision": "profile",
    "is_main_process": "engine",
    "new_model": "start",
    "prepare_data": "data",
    "read_config": "folder",
    "read_result": "result",
    "run_folder": "folder",
    "start_engine": "engine",
    "steps_done": "state",
    "train": "run",
}

__all__ = [
    "Asked",
    "RunPlan",
    "RunRequest",
    "StepTime",
    "TrainResult",
    "TrainSettings",
    "Trainer",
    "TrainingData",
    "asked_to_stop",
    "clear_run",
    "faster_precision",
    "is_main_process",
    "new_model",
    "prepare_data",
    "read_config",
    "read_result",
    "run_folder",
    "start_engine",
    "steps_done",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"convneur.training.{_HOME[name]}"), name)
    raise AttributeError(f"module 'convneur.training' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
