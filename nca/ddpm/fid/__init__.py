"""FID and KID: distances of samples from images that the model was not trained on."""
