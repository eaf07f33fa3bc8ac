"""Diffusion models on the shared core: noise is added to pictures, a net learns to take it away.

Ho, Jain and Abbeel, "Denoising Diffusion Probabilistic Models", 2020. Read
:mod:`nca.ddpm.noising` first (what is learned), then :mod:`~nca.ddpm.denoiser` (the one function
that sampling needs), :mod:`~nca.ddpm.samplers` and :mod:`~nca.ddpm.guidance`.

One convention throughout, that of Karras et al. 2022: a noised picture is ``x = picture + sigma *
noise``, pictures are in [-1, 1], and ``sigma`` is the noise level. The picture of a
variance-preserving process, ``x_t = sqrt(alpha_bar) picture + sqrt(1 - alpha_bar) noise``, is the
same divided by ``sqrt(1 + sigma^2)``, where ``sigma^2 = (1 - alpha_bar) / alpha_bar``.
"""
