"""The objective: computes the prediction and its loss terms. A learner has exactly one."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


class Objective(ABC):
    """What a model is trained for.

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
        """Name every term of the loss; the loss is their sum. Scalars, weights included."""


class Supervised(Objective):
    """Inputs to targets: the first ``n_inputs`` parts of a batch go in, the rest is compared.

    Args:
        loss: ``loss(prediction, *targets)`` -> scalar.
        n_inputs: how many parts of a batch the model takes.
        name: of the loss, in logs.
    """

    def __init__(self, loss: Callable[..., Tensor], n_inputs: int = 1, name: str = "loss") -> None:
        self.loss, self.n_inputs, self.name = loss, n_inputs, name

    def predict(self, model: nn.Module, batch: Any) -> Any:
        """Give the model its inputs."""
        return model(*batch[: self.n_inputs])

    def losses(self, prediction: Any, batch: Any) -> dict[str, Tensor]:
        """Compare with the targets."""
        return {self.name: self.loss(prediction, *batch[self.n_inputs :])}
