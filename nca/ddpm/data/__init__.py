"""Images that diffusion models are trained on."""
