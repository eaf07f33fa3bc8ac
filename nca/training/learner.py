"""The training loop, similar to the learner of fast.ai's lessons.

The loop reads like the algorithm, with an event after each part. The objective computes the
prediction and its loss terms. The engine computes gradients and takes optimizer steps. Everything
else is a callback.
"""

import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from nca.errors import InputError
from nca.training.batches import Batches, Stateful
from nca.training.callback import CANCEL, EVENTS, Callback
from nca.training.engines import Engine
from nca.training.generators import generator_state, seed_generators, set_generator_state
from nca.training.objective import Objective
from nca.training.write_failures import WriteFailures

VALIDATION_SEED = 0


class Learner:
    """Trains a model.

    ::

        from nca.training.objective import Supervised

        inputs, model = torch.rand(64, 2), torch.nn.Linear(2, 1)
        batches = [(inputs, inputs.sum(1, keepdim=True))]
        objective = Supervised(torch.nn.functional.mse_loss)
        optimizer = torch.optim.Adam(model.parameters(), 0.1)
        learner = nca.Learner(model, batches, objective, optimizer)
        learner.fit(epochs=20)
        print(learner.loss.item())

    Args:
        model: the model to train.
        batches: iterable over the batches of an epoch: a DataLoader, a list, or, if no data is
            needed, ``range(n)``. It may be endless if the fit is limited by iterations or time.
        objective: computes the prediction and its loss terms.
        optimizer: updates the weights.
        engine: computes gradients and takes steps; default: float32 in one process.
        callbacks: callbacks that observe or adjust training.
        valid_batches: batches for validation after each epoch and at the end of the fit. Validation
            uses the same random numbers every time, and does not affect training's random numbers.

    Attributes:
        epoch: number of epochs finished, over all fits.
        iteration: number of training batches started, over all fits.
        steps: number of weight updates; lower than ``iteration`` if several batches are accumulated
            into a step, or if steps are skipped.
        seconds: time spent in fits up to the last batch, including fits before a resume.
        progress: fraction of the fit that is done, 0 to 1.
        training: True in training, False in validation.
        batch, prediction: the current batch and its prediction.
        losses, loss: loss terms of the batch by name, and their sum.
        measures: what callbacks measured on the batch, by name; recorded with the losses.
        write_failures: files that callbacks could not write; call ``write_failures.check()`` at the
            end of training.

    Raises:
        TypeError: the objective is not an :class:`Objective`, or a callback is not a
            :class:`Callback` but, for example, a second objective or engine.
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
        valid_batches: Iterable[Any] | None = None,
    ) -> None:
        if not isinstance(objective, Objective):
            raise TypeError(f"objective must be an Objective, not {type(objective).__name__}")
        self.model, self.objective = model, objective
        self.engine = engine or Engine()
        self.optimizer = self.engine.prepare(model, optimizer)
        self.batches = Batches(batches, self.engine.prepare_batches(batches))
        self.valid_batches = (
            None if valid_batches is None else self.engine.prepare_batches(valid_batches)
        )
        self.use_callbacks(callbacks)
        self.epoch = self.iteration = self.steps = 0
        self.seconds = 0.0
        self.training = True
        self.batch: Any = None
        self.prediction: Any = None
        self.loss: Tensor
        self.losses: dict[str, Tensor] = {}
        self.measures: dict[str, Tensor] = {}
        self.write_failures = WriteFailures()
        self._loaded = False
        self._set_aside: dict[str, Any] | None = None  # generators' states during a validation
        self._set_limits(1, None, None)

    # ---- the loop ------------------------------------------------------------------------------

    def fit(
        self,
        epochs: int | None = None,
        *,
        iterations: int | None = None,
        minutes: float | None = None,
    ) -> None:
        """Train until one of the given limits is reached: epochs, iterations or minutes.

        All three count from the very first iteration, over all fits and resumes. Without a limit,
        the fit trains for one more epoch.

        Raises:
            InputError: the first batch shows that the loaded state is damaged.
        """
        self._set_limits(epochs, iterations, minutes)
        loaded, self._loaded = self._loaded, False
        begun = self.iteration
        try:
            self._phase("fit", self._all_epochs)
        except DAMAGE as error:
            if not loaded or self.iteration > begun + 1 or isinstance(error, InputError):
                raise
            raise _does_not_fit(error) from error

    def _all_epochs(self) -> None:
        while self.epoch < self._epochs and not self._over:
            self._one_epoch(self.batches, training=True)
            if self.valid_batches is not None:
                self._validate(self.valid_batches)
            if self.batches.finished or not self._over:
                self.epoch += 1
                self.batches.rewind()

    def _validate(self, batches: Iterable[Any]) -> None:
        self._set_aside = generator_state()
        try:
            seed_generators(VALIDATION_SEED)
            self._one_epoch(batches, training=False)
        finally:
            set_generator_state(self._set_aside)
            self._set_aside = None

    def _one_epoch(self, batches: Iterable[Any], *, training: bool) -> None:
        self.training = training
        self.model.train(training)
        with torch.set_grad_enabled(training):
            self._phase("epoch", lambda: self._all_batches(batches))

    def _all_batches(self, batches: Iterable[Any]) -> None:
        for self.batch in batches:
            self._phase("batch", self._one_batch)
            if self.training:
                self.seconds = self.engine.highest(time.monotonic() - self._began)
                if self._over:
                    break

    def _one_batch(self) -> None:
        self.iteration += self.training
        self.measures = {}
        with self.engine.precision():
            self.prediction = self.objective.predict(self.model, self.batch)
            self._emit("after_predict")
            self.losses = self.objective.losses(self.prediction, self.batch)
            self.loss = total(self.losses)
            self._emit("after_loss")
        if not self.training:
            return
        if not self.engine.backward(self.loss, self.optimizer):
            return  # more batches will be added to the gradient before the step
        try:
            self._emit("after_backward")
            if self.engine.step(self.optimizer):
                self.steps += 1
                self._emit("after_step")
        finally:
            self.engine.zero_grad(self.optimizer)

    def _phase(self, name: str, body: Callable[[], None]) -> None:
        failure: BaseException | None = None
        try:
            self._emit(f"before_{name}")
            body()
            self._emit(f"after_{name}")
        except CANCEL[name]:
            pass
        except BaseException as error:
            failure = error
        for handler in self._handlers[f"cleanup_{name}"]:
            try:
                handler(self)
            except BaseException as error:  # the other callbacks must still clean up
                failure = failure or error
        if failure is not None:
            raise failure

    def _emit(self, event: str) -> None:
        for handler in self._handlers[event]:
            handler(self)

    # ---- limits --------------------------------------------------------------------------------

    @property
    def progress(self) -> float:
        """Fraction of the fit that is done, 0 to 1.

        This is the highest of three fractions: of the epochs, the iterations and the time. A
        schedule that follows the progress therefore works with any limit.
        """
        return min(
            1.0,
            max(
                self.epoch / max(self._epochs, 1),
                self.iteration / self._iterations,
                self.seconds / self._time_limit,
            ),
        )

    def stop(self) -> None:
        """End the fit after this batch, as if a limit had been reached."""
        self._stopped = True

    @property
    def _over(self) -> bool:
        return (
            self._stopped
            or self.iteration >= self._iteration_limit
            or self.seconds >= self._time_limit
        )

    def _set_limits(
        self, epochs: int | None, iterations: int | None, minutes: float | None
    ) -> None:
        if epochs is None:
            unlimited = iterations is None and minutes is None
            epochs = self.epoch + 1 if unlimited else sys.maxsize
        try:
            length: float = len(self.batches)
        except TypeError:
            length = math.inf
        self._epochs = epochs
        self._iteration_limit: float = math.inf if iterations is None else iterations
        self._iterations = max(min(epochs * length, self._iteration_limit), 1)
        self._time_limit = math.inf if minutes is None else 60 * minutes
        self._stopped = False
        self._began = time.monotonic() - self.seconds

    # ---- callbacks -----------------------------------------------------------------------------

    def use_callbacks(self, callbacks: Sequence[Callback]) -> None:
        """Replace the callbacks.

        Raises:
            TypeError: an item is not a :class:`Callback`.
        """
        for part in callbacks:
            if not isinstance(part, Callback):
                raise TypeError(
                    f"{type(part).__name__} is not a Callback; objective and engine have their "
                    f"own arguments, and there is exactly one of each"
                )
        self.callbacks = sorted(callbacks, key=lambda callback: callback.order)
        here = [c for c in self.callbacks if self.engine.rank == 0 or not c.main_process_only]
        self._handlers: dict[str, list[Callable[[Learner], None]]] = {
            event: [getattr(c, event) for c in here if hasattr(c, event)] for event in EVENTS
        }

    # ---- state ---------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed fit needs to be bit-identical to an uninterrupted one.

        The state is complete after every batch. All processes must call this together.
        """
        parts: dict[str, Any] = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "engine": self.engine.state_dict(),
            "batches": self.batches.state_dict(),
            "callbacks": {name: state for name, c in self._named() if (state := c.state_dict())},
            "counts": {name: getattr(self, name) for name in COUNTS},
            "generators": self.engine.gather_object(self._set_aside or generator_state()),
        }
        if self.engine.added:
            parts["gradients"] = [weight.grad for weight in self.model.parameters()]
        if isinstance(self.objective, Stateful):
            parts["objective"] = self.objective.state_dict()
        return parts

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned.

        Raises:
            InputError: the state does not match this run.
        """
        try:
            self._load(state)
        except Exception as error:  # any part of a damaged state can have any type
            raise _does_not_fit(error) from error
        self._loaded = True

    def _load(self, state: dict[str, Any]) -> None:
        named = dict(self._named())
        unexpected = sorted(set(state["callbacks"]) - set(named))
        if unexpected:
            raise ValueError(f"it has state for callback {unexpected[0]}, which is not attached")
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.engine.load_state_dict(state["engine"])
        self.batches.load_state_dict(state["batches"])
        if isinstance(self.objective, Stateful):
            self.objective.load_state_dict(state["objective"])
        for name, its_state in state["callbacks"].items():
            named[name].load_state_dict(its_state)
        for name in COUNTS:
            setattr(self, name, checked_count(state["counts"], name))
        gradients = state.get("gradients", [])
        for weight, gradient in zip(self.model.parameters(), gradients, strict=bool(gradients)):
            weight.grad = None if gradient is None else gradient.to(weight)
        set_generator_state(state["generators"][self.engine.rank % len(state["generators"])])

    def _named(self) -> Iterator[tuple[str, Callback]]:
        seen: dict[str, int] = {}
        for callback in self.callbacks:
            kind = callback.state_name or type(callback).__name__
            seen[kind] = seen.get(kind, 0) + 1
            yield kind if seen[kind] == 1 else f"{kind} {seen[kind]}", callback


COUNTS = ("epoch", "iteration", "steps", "seconds")
# Errors that a damaged checkpoint raises when one of its parts has the wrong type.
DAMAGE = (TypeError, ValueError, LookupError, AttributeError, AssertionError)


def _does_not_fit(error: Exception) -> InputError:
    text = " ".join(str(error).split()) or type(error).__name__
    return InputError(f"the checkpoint does not match this run: {text}")


def checked_count(counts: dict[str, Any], name: str) -> Any:
    """Get one of :data:`COUNTS`.

    Raises:
        ValueError: the value is not a number, or is below 0.
    """
    value = counts[name]
    kinds = (int, float) if name == "seconds" else (int,)
    if type(value) not in kinds or not 0 <= value < math.inf:
        raise ValueError(f"its {name} is {value!r:.40}, but must be a number of at least 0")
    return value


def total(losses: dict[str, Tensor]) -> Tensor:
    """Sum of the loss terms."""
    first, *others = losses.values()
    for term in others:
        first = first + term
    return first
