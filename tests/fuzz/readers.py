"""The readers of files from untrusted sources: valid files, their damage, the reading."""

import gzip
import io
import json
import struct
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from nca.automata.rle import read_pattern
from nca.commands.info import describe_rule, format_description
from nca.ddpm.checkpoint import SaveMetadata, load_run
from nca.ddpm.data.dataset import DataInfo, read_dataset
from nca.ddpm.diffusion.model import Model
from nca.ddpm.settings import ddpm_settings
from nca.decoder import DecoderSettings
from nca.exporters.importers import read_published
from nca.images import read_cutout, read_image, read_square
from nca.images.picture_files import readable_formats
from nca.rule_settings import Quantization, Quantizer, RuleSettings
from nca.rulefile import load_rule, save_rule
from nca.texture.settings import TrainSettings, train_settings
from nca.texture.train import TextureTraining
from nca.training.callbacks import save_checkpoint
from nca.training.folder import CHECKPOINT, SETTINGS, check_resumable, recorded
from nca.viewer.files.state_file import SavedState, load_state, save_state
from tests.export.test_importers import ARRAYS, SNIPPET, article
from tests.fuzz.formats import (
    mutate_checkpoint,
    mutate_idx,
    mutate_npz,
    mutate_picture,
    mutate_safetensors,
)
from tests.fuzz.mutations import mutate_json, mutate_text
from tests.fuzz.runner import Files, Reader
from tests.helpers.classic import GLIDER, GUN
from tests.helpers.rules import bounded_rule, with_random_decoder


def written(name: str, write: Callable[[Path], None]) -> bytes:
    """The output of a writer of the project."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        write(path)
        return path.read_bytes()


def rules() -> Files:
    """A plain rule, one with a decoder, and one with all other settings and information."""
    full = RuleSettings(
        6, 10, alive_threshold=0.1, start="center", hidden_clip=2.0,
        quantization=Quantization(Quantizer(4.0, 0.5), hidden=Quantizer(2.0, 0.0)),
        dilations=(1, 1, 2, 3),
    )  # fmt: skip
    training = {
        "target": "leaf.png", "iterations": 2000, "seconds": 300.5, "long_run_loss": 0.25,
        "versions": {"nca": "0.1.0", "torch": "2.13.0"}, "settings": {"picture": "leaf.png"},
    }  # fmt: skip
    info = {"author": "A", "license": "MIT", "source": "B", "training": training, "thumbnail": ""}
    plain, rich = bounded_rule(RuleSettings(4, 8)), bounded_rule(full, update_bias=True)
    decoded = with_random_decoder(RuleSettings(4, 4, decoder=DecoderSettings(hidden=(16, 16))))
    return {
        "plain.safetensors": written("rule", lambda path: save_rule(path, plain)),
        "decoded.safetensors": written("rule", lambda path: save_rule(path, decoded)),
        "rich.safetensors": written("rule", lambda path: save_rule(path, rich, info)),
    }


def describe(path: Path) -> str:
    """What ``nca info`` prints, in words; and its JSON."""
    description = describe_rule(path)
    json.dumps(description)
    return format_description(description)


def pictures() -> Files:
    """A small picture in every format and mode that Pillow writes and we read."""
    Image.init()
    noise = np.random.default_rng(0).integers(0, 256, (12, 16, 4), np.uint8)
    files = {}
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"):
        for kind in sorted(Image.SAVE):
            picture = Image.fromarray(noise).convert("RGB" if mode == "CMYK" else "RGBA")
            picture = picture.convert("L" if mode == "I;16" else mode.removesuffix(";16"))
            picture = picture.convert(mode)
            data = io.BytesIO()
            try:
                picture.save(data, kind)
                # Under the name of another kind: what is within counts, not the extension.
                Image.open(data, formats=readable_formats()).load()
            except (OSError, ValueError, KeyError, SyntaxError):
                continue
            files[f"{kind}-{mode.replace(';', '')}.png"] = data.getvalue()
    return files


def states() -> Files:
    """A state, and one without step and owner."""
    values = torch.randn(4, 5, 6, generator=torch.Generator().manual_seed(0))
    saved = SavedState(values, np.zeros((5, 6), np.uint8), 7, 123)
    bare = io.BytesIO()
    np.savez(bare, state=values.numpy())
    return {
        "full.npz": written("state", lambda path: save_state(path, saved)),
        "bare.npz": bare.getvalue(),
    }


def idx() -> Files:
    """Twenty small pictures and their classes, packed and not."""
    images = b"\0\0\x08\x03" + struct.pack(">III", 20, 12, 12) + bytes(range(240)) * 12
    labels = b"\0\0\x08\x01" + struct.pack(">I", 20) + bytes(i % 3 for i in range(20))
    files = {"train-images-idx3-ubyte": images, "train-labels-idx1-ubyte": labels}
    return files | {f"{name}.gz": gzip.compress(data, mtime=0) for name, data in files.items()}


def packed_idx() -> Files:
    """Those that are packed; one that is not comes before them."""
    return {name: data for name, data in idx().items() if name.endswith(".gz")}


def checkpoints() -> Files:
    """An untrained diffusion model."""
    settings = ddpm_settings("x", "x", size=8, channels=(8,), groups=4, noise_steps=10)
    info = DataInfo(1, 8, 0.5, ("a", "b"))
    torch.manual_seed(0)
    model = Model(settings, info)
    about = SaveMetadata(settings, info)
    average = {"weights": [weight.detach() for weight in model.network.parameters()], "steps": 3}
    state = {
        "model": model.network.state_dict(),
        "callbacks": {about.state_name: about.state_dict(), "EMA": average},
        "counts": {"iteration": 3, "seconds": 1.5},
    }
    return {CHECKPOINT: written("checkpoint", lambda path: save_checkpoint(path, state))}


def training(folder: Path) -> TrainSettings:
    """Settings of a training that resumes in a folder."""
    return train_settings("leaf.png", folder, resume=True)


READERS = {
    "rule": Reader(rules, mutate_safetensors, load_rule),
    "info": Reader(rules, mutate_safetensors, describe),
    "article": Reader(
        lambda: {"article.json": json.dumps(article()).encode()}, mutate_json, read_published
    ),
    "snippet": Reader(
        lambda: {"a.glsl": SNIPPET.encode(), "b.js": ARRAYS.encode()}, mutate_text, read_published
    ),
    "picture": Reader(pictures, mutate_picture, read_image),
    "target": Reader(pictures, mutate_picture, partial(read_square, size=64)),
    "figure": Reader(pictures, mutate_picture, partial(read_cutout, size=64)),
    "pattern": Reader(
        lambda: {"gun.rle": GUN.encode(), "glider.rle": GLIDER.encode()}, mutate_text, read_pattern
    ),
    "state": Reader(states, mutate_npz, load_state),
    "idx": Reader(idx, mutate_idx, lambda path: read_dataset(str(path.parent)), beside=packed_idx),
    "checkpoint": Reader(checkpoints, mutate_checkpoint, load_run),
    "settings": Reader(
        lambda: {SETTINGS: json.dumps(recorded(training(Path("x")))).encode()},
        mutate_json,
        lambda path: check_resumable(training(path.parent), TextureTraining.may_change),
        beside=lambda: {CHECKPOINT: b""},
    ),
}
