"""Export targets that run a rule once and store the result; ``--to`` takes a module's name."""
