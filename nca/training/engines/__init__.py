"""Engines: how gradients and optimizer steps are computed. A learner has one engine."""

from nca.training.engines.engine import Autocast, Engine

__all__ = ["Autocast", "Engine"]
