"""Callbacks: whatever watches or adjusts a training loop without being part of it."""

import difflib
import re
from typing import Any, ClassVar

PHASES = ("fit", "epoch", "batch")
EVENTS = frozenset(
    [f"{when}_{phase}" for when in ("before", "after", "cleanup") for phase in PHASES]
    + ["after_predict", "after_loss", "after_backward", "after_step"]
)


class CancelFit(Exception):  # noqa: N818  (not an error: it asks the loop to stop)
    """Raised in a callback to abandon the fit; to end it early but well, ``learner.stop()``."""


class CancelEpoch(Exception):  # noqa: N818
    """Raised in a callback to end the epoch and go on with the next."""


class CancelBatch(Exception):  # noqa: N818
    """Raised in a callback to end the batch and go on with the next; its gradient is dropped."""


CANCEL: dict[str, type[Exception]] = {
    "fit": CancelFit,
    "epoch": CancelEpoch,
    "batch": CancelBatch,
}


class Callback:
    """Base of callbacks. A subclass defines methods named as events, each taking the learner.

    A fit, an epoch and a batch each have three events. ``before_`` comes first; ``after_`` when all
    went well, not when it was cancelled or failed; ``cleanup_`` always, for every callback, even
    for those whose ``before_`` was not reached. Within a batch there are ``after_predict``,
    ``after_loss`` and, when training, ``after_backward`` (the gradient is complete) and
    ``after_step`` (the weights have changed). A method that looks like an event and is none is
    refused when its class is made.

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
        order: callbacks with a smaller order run first; equal ones as they were given.
        essential: the callback is part of how the model is trained (devices, gradients, pools), so
            that a search for the learning rate needs it too. Others only watch or record.
        main_process_only: of several processes only the first runs it.
        state_name: of its state in checkpoints; by default the name of its class.
        kept: names of attributes that must survive a stop and resume: its state, where that is all.
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
        """What must survive a stop and resume: tensors, numbers, strings, lists and dicts."""
        return {name.strip("_"): getattr(self, name) for name in self.kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what :meth:`state_dict` gave."""
        for name in self.kept:
            setattr(self, name, state[name.strip("_")])
