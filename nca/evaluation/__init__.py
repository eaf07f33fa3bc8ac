"""How good a rule is: distances it was not trained on, long runs, healing, other grids."""
