"""Export targets: each module defines one as ``TARGET``; ``--to`` has - instead of _."""
