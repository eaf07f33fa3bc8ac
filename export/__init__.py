"""Turn rules into files that other programs run; each target is a module of ``hosts``."""
