"""How gradients and steps are computed: one engine per learner."""

from nca.training.engines.engine import Autocast, Engine

__all__ = ["Autocast", "Engine"]
