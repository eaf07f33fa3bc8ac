"""What all benchmarks share: times, comparisons with float64, the machine, tables and plots."""
