"""Quality of a rule: distances that it was not trained on, long runs, healing, other grids."""
