"""Materials on the page."""
