"""The training core: one loop that trains a rule, an image or a U-Net. It knows nothing of NCA."""
