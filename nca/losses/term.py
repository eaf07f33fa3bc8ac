"""Loss terms, which can be added, weighted and printed.

::

    loss = texture + 0.1 * TotalVariation()
    loss(images)  # {"texture/net1": [B], ..., "smooth": [B]}, weights included
"""

from abc import ABC, abstractmethod

from torch import Tensor
from typing_extensions import override


class Term(ABC):
    """A differentiable distance between images and a goal.

    Attributes:
        random: whether the term draws random numbers, so that two calls give different values.
    """

    random = False

    @abstractmethod
    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Distance of every image, by name.

        Args:
            images: [B, C, H, W] in about [0, 1].

        Returns:
            Name -> [B]; zero is perfect.
        """

    def __add__(self, other: "Term") -> "Term":
        """The sum of both terms."""
        return Sum(self, other)

    def __rmul__(self, weight: float) -> "Term":
        """The term, multiplied by a weight."""
        return Weighted(weight, self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Weighted(Term):
    """A term multiplied by a weight."""

    def __init__(self, weight: float, term: Term) -> None:
        self.weight, self.term = weight, term

    @override
    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        return {name: self.weight * value for name, value in self.term(images).items()}

    def __repr__(self) -> str:
        return f"{self.weight:g} * {self.term!r}"


class Sum(Term):
    """A sum of terms.

    Raises:
        ValueError: (when called) two terms have the same name.
    """

    def __init__(self, *terms: Term) -> None:
        self.terms = terms

    @override
    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = {}
        for term in self.terms:
            values = term(images)
            if losses.keys() & values.keys():
                raise ValueError(f"two loss terms are named {min(losses.keys() & values.keys())!r}")
            losses |= values
        return losses

    def __repr__(self) -> str:
        return " + ".join(map(repr, self.terms))
