"""Measure the quality of a rule: distances from the target, long runs, healing, other grids."""
