"""Features of images, which losses compare."""
