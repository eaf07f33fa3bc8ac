"""Measure the quality of a rule: distances from its target, long runs, healing, other grids."""
