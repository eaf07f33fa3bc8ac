"""Engines compute gradients and take optimizer steps. A learner has exactly one engine."""

from nca.training.engines.engine import Autocast, Engine

__all__ = ["Autocast", "Engine"]
