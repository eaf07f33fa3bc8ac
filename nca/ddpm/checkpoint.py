"""Load a trained model from its checkpoint, which also contains the settings."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nca.ddpm.data.dataset import DataInfo
from nca.ddpm.diffusion.model import Model
from nca.ddpm.settings import TrainSettings, ddpm_settings
from nca.errors import InputError
from nca.options import flatten
from nca.training.callback import Callback
from nca.training.callbacks import EMA, load_checkpoint
from nca.training.folder import CHECKPOINT
from nca.training.learner import checked_count

LARGEST_SIDE = 8192  # pixels


class SaveMetadata(Callback):
    """Stores settings and :class:`DataInfo`, so that checkpoints can be read without the images."""

    state_name = "About"  # the name in checkpoints since the first version

    def __init__(self, settings: TrainSettings, info: DataInfo) -> None:
        own = json.dumps(flatten(settings), default=str)  # includes the path of the images, for FID
        facts = {"colors": info.colors, "side": info.side, "deviation": info.std}
        self.state = {"settings": own, "facts": json.dumps(facts | {"names": info.names})}

    def state_dict(self) -> dict[str, str]:
        """Settings and properties of the images, as JSON."""
        return self.state


@dataclass(frozen=True)
class Run:
    """Contents of a checkpoint.

    Attributes:
        path: path of the checkpoint.
        model: model with averaged weights, ready to draw samples.
        iterations: number of iterations.
        seconds: training time in seconds.
    """

    path: Path
    model: Model
    iterations: int
    seconds: float


def load_run(path: Path) -> Run:
    """Read a checkpoint; ``path`` is the file or its folder.

    Raises:
        InputError: there is no checkpoint, or it does not contain a diffusion model.
    """
    path = path / CHECKPOINT if path.is_dir() else path
    state = load_checkpoint(path)
    try:
        metadata = state["callbacks"][SaveMetadata.state_name]
        settings = json.loads(metadata["settings"])
        model = Model(_read_settings(settings), _read_info(json.loads(metadata["facts"])))
        model.network.load_state_dict(state["model"])
        average = EMA(0)
        average.load_state_dict(state["callbacks"]["EMA"])
        average.copy_to(model.network)
        counts = state["counts"]
        iterations, seconds = (checked_count(counts, name) for name in ("iteration", "seconds"))
    except Exception as error:  # in a damaged state, any part can have any type
        text = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{path} is not a checkpoint of a diffusion model that this program trained: {text}"
        ) from error
    model.network.eval().requires_grad_(False)
    return Run(path, model, iterations, seconds)


def _read_info(facts: dict[str, Any]) -> DataInfo:
    info = DataInfo(facts["colors"], facts["side"], facts["deviation"], tuple(facts["names"]))
    if (
        info.colors not in (1, 3)
        or type(info.side) is not int
        or not 1 <= info.side <= LARGEST_SIDE
        or not 0 <= info.std < math.inf
        or not all(isinstance(name, str) for name in info.names)
    ):
        raise ValueError(f"no images are like {info}")
    return info


def _read_settings(values: dict[str, Any]) -> TrainSettings:
    found: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
    return ddpm_settings(**found)
