"""Image features, which losses compare."""
