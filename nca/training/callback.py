"""Callbacks: whatever watches or adjusts a training loop without being part of it."""

import difflib
import re
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from nca.training.learner import Learner

PHASES = ("fit", "epoch", "batch")
EVENTS = frozenset(
    [f"{when}_{phase}" for when in ("before", "after", "cleanup") for phase in PHASES]
    + ["after_predict", "after_loss", "after_backward", "after_step"]
)


class CancelFit(Exception):  # noqa: N818  (not an error: it asks the loop to stop)
    """Raised in a callback to end the fit; ``after_fit`` is skipped, ``cleanup_fit`` runs."""


class CancelEpoch(Exception):  # noqa: N818
    """Raised in a callback to end the epoch and go on with the next."""


class CancelBatch(Exception):  # noqa: N818
    """Raised in a callback to end the batch and go on with the next."""


CANCEL = {"fit": CancelFit, "epoch": CancelEpoch, "batch": CancelBatch}


class Callback:
    """Base of callbacks. A subclass defines methods named as events, each taking the learner.

    Events are ``before_``, ``after_`` and ``cleanup_`` of ``fit``, ``epoch`` and ``batch``, and
    ``after_predict``, ``after_loss``, ``after_backward``, ``after_step``. ``cleanup_`` runs however
    a phase ends. A method that looks like an event and is none is refused when the class is made.

    Attributes:
        order: callbacks with a smaller order run first; equal ones as they were given.
    """

    order: ClassVar[int] = 0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in vars(cls):
            if re.match("(before|after|cleanup)_", name) and name not in EVENTS:
                near = difflib.get_close_matches(name, EVENTS, n=1, cutoff=0)[0]
                raise TypeError(f"{cls.__name__}.{name} is not an event; did you mean {near}?")

    def state_dict(self) -> dict[str, Any]:
        """What must survive a stop and resume: tensors, numbers, strings, lists and dicts."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what :meth:`state_dict` gave."""

    def on(self, event: str, learner: "Learner") -> None:
        """Call the method of an event, where there is one."""
        method = getattr(self, event, None)
        if method is not None:
            method(learner)
