"""The training loop: fast.ai's lesson, grown up.

The loop reads like the algorithm, with one event after each of its lines. What is trained and for
what is the objective's business, how a step is computed the engine's; everything else is a
callback.
"""

import math
import sys
import time
from collections.abc import Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from nca.training.callback import CANCEL, Callback
from nca.training.engine import Engine
from nca.training.objective import Objective


@runtime_checkable
class Stateful(Protocol):
    """Something whose state goes into a checkpoint."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors, numbers, strings, lists and dicts of them."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> Any:
        """Take up what :meth:`state_dict` gave."""
        ...


class Learner:
    """Trains a model.

    Args:
        model: what is trained.
        batches: what an epoch goes through; may be endless if the fit has a time limit.
        objective: what is predicted and lost.
        optimizer: changes the weights.
        engine: how a step is computed; float32 in one process by default.
        callbacks: whatever watches or adjusts.
        valid_batches: what is gone through after each epoch without training.

    Attributes:
        epoch, iteration: how many are finished, over all fits; ``iteration`` counts batches that
            were trained on.
        progress: the part of the fit that is done, 0 to 1: the larger of the parts of the
            iterations and of the time, so that a schedule that follows it fits both.
        seconds: time spent in fits, over all resumes.
        training: whether the batch is trained on.
        batch, prediction, losses, loss: of the batch at hand; ``losses`` by term.

    Raises:
        TypeError: something among the callbacks is none, such as a second objective or engine.
    """

    def __init__(
        self,
        model: nn.Module,
        batches: Iterable[Any],
        objective: Objective,
        optimizer: Optimizer,
        *,
        engine: Engine | None = None,
        callbacks: Sequence[Callback] = (),
        valid_batches: Iterable[Any] = (),
    ) -> None:
        for part in callbacks:
            if not isinstance(part, Callback):
                raise TypeError(
                    f"{type(part).__name__} is not a Callback; objective and engine have their "
                    f"own arguments, and there is exactly one of each"
                )
        self.model, self.batches, self.valid_batches = model, batches, valid_batches
        self.objective, self.optimizer = objective, optimizer
        self.engine = engine or Engine()
        self.callbacks = sorted(callbacks, key=lambda callback: callback.order)
        self.epoch = self.iteration = 0
        self.progress = self.seconds = 0.0
        self.training = True
        self.batch: Any = None
        self.prediction: Any = None
        self.losses: dict[str, Tensor] = {}
        self.loss: Tensor

    def fit(
        self,
        epochs: int | None = None,
        *,
        iterations: int | None = None,
        minutes: float | None = None,
    ) -> None:
        """Train until so many epochs or iterations are done, or the time is over.

        All three are counted from the beginning, before a resume; what comes first ends the fit.
        Without any of them it is one epoch.
        """
        if epochs is None:
            epochs = 1 if iterations is None and minutes is None else sys.maxsize
        length = len(self.batches) if isinstance(self.batches, Sized) else math.inf
        self._iterations = min(epochs * length, iterations or math.inf)
        self._time_limit = math.inf if minutes is None else 60 * minutes
        self._began = time.monotonic() - self.seconds
        self._update_progress()
        with self._phase("fit"):
            while self.epoch < epochs and self.progress < 1:
                self._one_epoch(self.batches, training=True)
                if self.valid_batches:
                    self._one_epoch(self.valid_batches, training=False)
                self.epoch += 1

    def _one_epoch(self, batches: Iterable[Any], *, training: bool) -> None:
        self.training = training
        self.model.train(training)
        with self._phase("epoch"), torch.set_grad_enabled(training):
            for self.batch in batches:
                with self._phase("batch"):
                    self._one_batch()
                    self.iteration += training
                    self._update_progress()
                if training and self.progress >= 1:
                    break

    def _one_batch(self) -> None:
        with self.engine.precision():
            self.prediction = self.objective.predict(self.model, self.batch)
            self._emit("after_predict")
            self.losses = self.objective.losses(self.prediction, self.batch)
            self.loss = torch.stack(list(self.losses.values())).sum()
            self._emit("after_loss")
        if not self.training:
            return
        self.engine.backward(self.loss)
        self._emit("after_backward")
        self.engine.step(self.optimizer)
        self._emit("after_step")
        self.optimizer.zero_grad()

    def _update_progress(self) -> None:
        self.seconds = time.monotonic() - self._began
        self.progress = max(self.iteration / self._iterations, self.seconds / self._time_limit)

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        try:
            self._emit(f"before_{name}")
            yield
            self._emit(f"after_{name}")
        except CANCEL[name]:
            pass
        finally:
            self._emit(f"cleanup_{name}")

    def _emit(self, event: str) -> None:
        for callback in self.callbacks:
            callback.on(event, self)

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed fit needs to give the same bits as one that was not interrupted."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "batches": self.batches.state_dict() if isinstance(self.batches, Stateful) else {},
            "callbacks": [callback.state_dict() for callback in self.callbacks],
            "epoch": self.epoch,
            "iteration": self.iteration,
            "seconds": self.seconds,
            "generator": torch.get_rng_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`; the parts must be those it was taken with."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if isinstance(self.batches, Stateful):
            self.batches.load_state_dict(state["batches"])
        for callback, its_state in zip(self.callbacks, state["callbacks"], strict=True):
            callback.load_state_dict(its_state)
        self.epoch, self.iteration = state["epoch"], state["iteration"]
        self.seconds = state["seconds"]
        torch.set_rng_state(state["generator"])
