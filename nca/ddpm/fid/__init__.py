"""FID and KID: distances between samples and images that the model was not trained on."""
