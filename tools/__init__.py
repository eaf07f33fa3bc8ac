"""Programs that make files of the package. They are not installed; run them in a checkout."""
