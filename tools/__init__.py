"""Programs that make what comes with the package; run from a checkout, not installed."""
