"""Programs that make files for the package. They are not installed; run them from a checkout."""
