"""Neural cellular automata: train a rule on an image, run it wherever a fragment shader runs."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nca.api.export import export, view
    from nca.api.rules import grow, load, save
    from nca.api.sample import sample
    from nca.api.style import stylize
    from nca.api.train import train
    from nca.backends import unroll
    from nca.rule import Rule
    from nca.rule_settings import RuleSettings
    from nca.texture.train import TrainedRule
    from nca.training.callback import Callback
    from nca.training.learner import Learner
    from nca.training.objective import Objective

__version__ = "0.2.0"

# The public names. Each is imported on first use, because torch takes seconds to load.
__all__ = [
    "Callback",
    "Learner",
    "Objective",
    "Rule",
    "RuleSettings",
    "TrainedRule",
    "export",
    "grow",
    "load",
    "sample",
    "save",
    "stylize",
    "train",
    "unroll",
    "view",
]

_MODULES = {
    "Callback": "nca.training.callback",
    "Learner": "nca.training.learner",
    "Objective": "nca.training.objective",
    "Rule": "nca.rule",
    "RuleSettings": "nca.rule_settings",
    "TrainedRule": "nca.texture.train",
    "export": "nca.api.export",
    "grow": "nca.api.rules",
    "load": "nca.api.rules",
    "sample": "nca.api.sample",
    "save": "nca.api.rules",
    "stylize": "nca.api.style",
    "train": "nca.api.train",
    "unroll": "nca.backends",
    "view": "nca.api.export",
}

# Torch reads these when it is loaded. By default, OpenMP threads spin while they wait, which makes
# them up to twenty times as slow if another program needs the core. On an idle machine, blocking at
# once is slow, too, so GNU OpenMP spins about 0.1 ms first; see docs/lab/speed.md.
if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
    os.environ |= {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "10000"}

if not TYPE_CHECKING:  # a type checker that saw this function would accept any name

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module 'nca' has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_MODULES[name]), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
