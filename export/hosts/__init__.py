"""Export targets, one a module: its ``TARGET``, under its name with - for _."""
