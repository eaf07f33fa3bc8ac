"""Notebooks for tests: a real JupyterLab, and what takes the place of a kernel."""
