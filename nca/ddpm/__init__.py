"""Diffusion models, trained by the shared training loop: a network learns to denoise images.

Ho, Jain and Abbeel, "Denoising Diffusion Probabilistic Models", 2020. Read
:mod:`nca.ddpm.diffusion.noising` first (it makes the training batches), then
:mod:`~nca.ddpm.diffusion.denoiser` (the one function that sampling needs),
:mod:`~nca.ddpm.diffusion.samplers` and :mod:`~nca.ddpm.diffusion.guidance`.

The code uses the convention of Karras et al. 2022: a noised image is ``x = image + sigma * noise``,
images are in [-1, 1], and ``sigma`` is the noise level. A variance-preserving process has noised
images ``x_t = sqrt(alpha_bar) image + sqrt(1 - alpha_bar) noise``. These are ``x`` divided by
``sqrt(1 + sigma^2)``, where ``sigma^2 = (1 - alpha_bar) / alpha_bar``.
"""
