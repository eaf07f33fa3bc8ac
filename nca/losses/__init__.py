"""Loss terms: image features, their statistics, and distances between statistics."""
