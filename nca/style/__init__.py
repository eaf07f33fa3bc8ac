"""Style transfer: an image is the parameter that the shared core trains."""
