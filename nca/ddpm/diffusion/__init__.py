"""Noise, networks, samplers and guidance; see :mod:`nca.ddpm`."""
