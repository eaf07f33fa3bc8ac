"""Callbacks of texture training."""
