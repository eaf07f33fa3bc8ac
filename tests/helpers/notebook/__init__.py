"""Notebooks for tests: a real JupyterLab, and a stand-in for a kernel."""
