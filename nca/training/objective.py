"""The objective: computes the prediction and its loss terms. A learner has exactly one."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


class Objective(ABC):
    """Computes a model's prediction and its loss terms.

    ::

        class Brightness(nca.Objective):
            def predict(self, model, batch):
                return model(batch)

            def losses(self, prediction, batch):
                return {"dark": -prediction.mean(), "spread": 0.1 * prediction.var()}

        model = torch.nn.Linear(3, 3)
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        learner = nca.Learner(model, [torch.rand(8, 3)], Brightness(), optimizer)
        learner.fit(epochs=3)
        print(learner.losses)
    """

    @abstractmethod
    def predict(self, model: nn.Module, batch: Any) -> Any:
        """Run the model on a batch."""

    @abstractmethod
    def losses(self, prediction: Any, batch: Any) -> dict[str, Tensor]:
        """Loss terms by name, as weighted scalars; the loss is their sum."""


class Supervised(Objective):
    """Supervised training; a batch contains ``n_inputs`` inputs for the model, then the targets.

    Args:
        loss: ``loss(prediction, *targets)`` -> scalar.
        n_inputs: number of inputs of the model.
        name: name of the loss in logs.
    """

    def __init__(self, loss: Callable[..., Tensor], n_inputs: int = 1, name: str = "loss") -> None:
        self.loss, self.n_inputs, self.name = loss, n_inputs, name

    def predict(self, model: nn.Module, batch: Any) -> Any:
        """Run the model on the inputs in the batch."""
        return model(*batch[: self.n_inputs])

    def losses(self, prediction: Any, batch: Any) -> dict[str, Tensor]:
        """Compare the prediction with the targets in the batch."""
        return {self.name: self.loss(prediction, *batch[self.n_inputs :])}
