"""Classic automata on the page."""
