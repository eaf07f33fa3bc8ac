"""Settings of the steps of all rules on a grid."""

import math
from dataclasses import dataclass

from nca.gl.shader import Value
from nca.rng import fire_threshold
from nca.rule import CALM_AFTER, Rule


@dataclass
class Steering:
    """How the rules of a simulation run.

    Attributes:
        rotation: angle of the perceived directions, in radians.
        coarseness: size of the pattern: 1 as in training, 2 twice as large.
        dt: step length, 1 as in training. With a larger pattern, steps are shortened automatically,
            because they would be unstable otherwise.
        update_rate: probability that a cell fires; None: the value of each rule.
        calm: how calm rules run while nothing changes the state from outside, 0 to 1: at 1, all
            cells fire, in shorter steps; None: as the rules say.
    """

    rotation: float = 0.0
    coarseness: float = 1.0
    dt: float = 1.0
    update_rate: float | None = None
    calm: float | None = None

    def rate_of(self, rule: Rule) -> float:
        """The probability that a cell of a rule fires, unless the run is calm."""
        return self.update_rate or rule.settings.update_rate

    def calm_of(self, rule: Rule) -> float:
        """How calm a rule runs, 0 to 1."""
        return float(rule.settings.calm) if self.calm is None else self.calm

    def uniforms(self, rule: Rule, quiet: int) -> dict[str, Value]:
        """Values for the shaders of a step; ``quiet``: steps since the last change from outside."""
        own = self.rate_of(rule)
        calm = self.calm_of(rule) if quiet >= CALM_AFTER else 0.0
        rate = 1 - (1 - calm) * (1 - own) if calm else own
        return {
            "nca_rotation": (math.cos(self.rotation), math.sin(self.rotation)),
            "nca_coarseness": self.coarseness,
            "nca_dt": self.dt / max(1.0, self.coarseness**2) * own / rate,
            "nca_limit": max(fire_threshold(rate) - 1, 0),
        }
