"""Peers to compare with, in separate processes."""
