"""Export targets that run a rule once and store the result; ``--to`` has - instead of _."""
