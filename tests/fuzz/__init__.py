"""Damaged and hostile files, made from a seed, for everything that reads a file."""
