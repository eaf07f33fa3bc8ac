"""Read the weights of a pretrained network from a file."""

from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from nca.errors import InputError

SUFFIXES = (".safetensors", ".pth")


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read named tensors; a ``.pth`` file cannot run code.

    Raises:
        InputError: the file cannot be read, or has other contents.
    """
    try:
        if path.suffix != ".pth":
            return load_file(path)
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError) as error:
        raise InputError(f"cannot read features from {path}: {error}") from error
    except UnpicklingError as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"cannot read features from {path}: {reason}") from error
    except Exception as error:  # damaged data can fail anywhere in torch and pickle
        raise InputError(
            f"cannot read features from {path}: it is damaged, or torch.save did not write it"
        ) from error
    if not isinstance(weights, dict) or not all(isinstance(w, Tensor) for w in weights.values()):
        raise InputError(f"{path}: must be a state_dict, tensors by name")
    return weights
