"""Write the rule file during training, so that a viewer shows the rule as it learns."""

import time
from pathlib import Path

import torch

from nca.rulefile import save_rule
from nca.texture.callbacks.keep_best import averaged_rule
from nca.training.callback import Callback
from nca.training.callbacks import EMA
from nca.training.learner import Learner

INTERVAL = 0.5  # seconds; writing takes a few milliseconds, mostly waiting for the disk


class WriteNewest(Callback):
    """Write the newest rule at intervals; when training ends, the best rule replaces it.

    Args:
        path: path of the rule file.
        ema: moving average of the weights, which is written; None: the weights themselves.
    """

    order = 90
    main_process_only = True

    def __init__(self, path: Path, ema: EMA | None) -> None:
        self.path, self.ema = path, ema
        self._next = 0.0

    def after_batch(self, learner: Learner) -> None:
        """Write the rule if the interval has passed."""
        now = time.monotonic()
        if now < self._next:
            return
        rule = averaged_rule(learner, self.ema).cpu()
        if all(torch.isfinite(weight).all() for weight in rule.parameters()):
            self._next = now + INTERVAL
            with learner.write_failures.warn_on_failure(self.path):
                save_rule(self.path, rule, {"training": {"iterations": learner.iteration}})
