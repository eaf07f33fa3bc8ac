"""Style transfer: the shared core trains the pixels of an image."""
