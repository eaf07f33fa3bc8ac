"""Quality of a rule: distances it was not trained on, long runs, healing, other grids."""
