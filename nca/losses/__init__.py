"""Loss terms: features, statistics of features, and distances between them."""
