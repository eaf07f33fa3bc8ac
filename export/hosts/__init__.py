"""Export targets, one per module: its ``TARGET``; a name has - instead of _."""
