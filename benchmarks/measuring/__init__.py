"""Shared parts of benchmarks: times, comparisons with float64, the machine, tables and plots."""
