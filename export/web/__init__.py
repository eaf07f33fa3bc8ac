"""Shared parts of pages, elements and galleries."""
