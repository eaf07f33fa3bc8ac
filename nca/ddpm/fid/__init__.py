"""FID and KID: how far samples are from images that the model has not seen."""
