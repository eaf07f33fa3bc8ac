"""Programs that make files of the package; run them from a checkout, they are not installed."""
