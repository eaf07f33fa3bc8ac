"""Callbacks: code that observes or adjusts a training loop from outside."""

import difflib
import re
from typing import Any, ClassVar

PHASES = ("fit", "epoch", "batch")
EVENTS = frozenset(
    [f"{when}_{phase}" for when in ("before", "after", "cleanup") for phase in PHASES]
    + ["after_predict", "after_loss", "after_backward", "after_step"]
)


class CancelFit(Exception):  # noqa: N818  (not an error: it asks the loop to stop)
    """Raise in a callback to abandon the fit; call ``learner.stop()`` to end it normally."""


class CancelEpoch(Exception):  # noqa: N818
    """Raise in a callback to end the epoch and continue with the next one."""


class CancelBatch(Exception):  # noqa: N818
    """Raise in a callback to end the batch, drop its gradient, and continue with the next one."""


CANCEL: dict[str, type[Exception]] = {
    "fit": CancelFit,
    "epoch": CancelEpoch,
    "batch": CancelBatch,
}


class Callback:
    """Base class of callbacks.

    Subclasses define methods named after events; the learner is passed to each of these methods. A
    fit, an epoch and a batch each have three events. ``before_`` comes first. ``after_`` comes only
    after success, not after a cancellation or a failure. ``cleanup_`` always comes, for every
    callback, even if the callback's ``before_`` method did not run. A batch also has the events
    ``after_predict``, ``after_loss`` and, in training, ``after_backward`` (the gradient is
    complete) and ``after_step`` (the weights have changed). If a method's name looks like an event
    but is not one, defining the class raises TypeError.

    ::

        class LargestWeight(nca.Callback):
            def after_step(self, learner):
                self.largest = max(w.detach().abs().max() for w in learner.model.parameters())

        largest = LargestWeight()
        nca.train(
            nca.grow("scales", 64), callbacks=[largest], preset="tiny", iterations=1,
            size=32, grid=16, late_grid=16,
        )
        print(largest.largest)

    Attributes:
        order: callbacks with a smaller order run first; those with equal order run in list order.
        essential: whether the callback is part of training itself (devices, gradients, pools), so
            that a learning-rate search needs it too. Other callbacks only observe or record.
        main_process_only: whether the callback runs only in the first of several processes.
        state_name: name of the callback's state in checkpoints; default: the class name.
        kept: names of the attributes that make up the callback's state in checkpoints.
    """

    order: ClassVar[int] = 0
    essential: ClassVar[bool] = False
    main_process_only: ClassVar[bool] = False
    state_name: ClassVar[str] = ""
    kept: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in sorted({*dir(cls)} - {*dir(Callback)} - EVENTS):
            meant = re.match("(before|after|cleanup)_", name)
            near = difflib.get_close_matches(name, EVENTS, n=1, cutoff=0.0 if meant else 0.85)
            if near:
                raise TypeError(f"{cls.__name__}.{name} is not an event; did you mean {near[0]}?")

    def state_dict(self) -> dict[str, Any]:
        """Return the state to restore on a resume: tensors, numbers, strings, lists and dicts."""
        return {name.strip("_"): getattr(self, name) for name in self.kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        for name in self.kept:
            setattr(self, name, state[name.strip("_")])
