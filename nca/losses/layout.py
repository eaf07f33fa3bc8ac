"""Where features recur: what keeps a lattice regular, of which a Gram matrix knows nothing."""

import torch
from torch import Tensor

from nca.losses.features import Features
from nca.losses.statistics import Gram

REACH = 20  # pixels: as far as the shorter way round a state of 64 cells lets one see
LAYERS = 3  # the first ones: layers that are coarser than this know places too roughly
CHANNELS = 16  # of a layer; more cost time and change little


class Layout:
    """Relative distance of the autocorrelations of every channel, layer by layer.

    Sendik and Cohen-Or, "Deep Correlations for Texture Synthesis", SIGGRAPH 2017; Berger and
    Memisevic, "Incorporating Long-Range Consistency in CNN-Based Texture Generation", ICLR 2017,
    compare some of the same products. Here the channels are standardized as the target's are, so
    that each counts alike, and the distance is that of :class:`Gram`.

    Args:
        target: features of the target.
        torus: whether the pictures, not the target, live on a torus.
        reach: the longest shift, in pixels of the picture.
    """

    def __init__(self, target: Features, *, torus: bool = True, reach: int = REACH) -> None:
        self.torus = torus
        self.targets: dict[str, tuple[Tensor, Tensor, int, Tensor]] = {}
        full = next(iter(target.values())).shape[-1]
        for name, layer in list(target.items())[:LAYERS]:
            features = layer[:, :CHANNELS]
            mean = features.mean((2, 3), keepdim=True)
            deviation = features.std((2, 3), keepdim=True) + 1e-3
            shift = max(2, round(reach * features.shape[-1] / full))
            described = autocorrelation((features - mean) / deviation, shift, torus=False)
            self.targets[name] = mean, deviation, shift, described
        self.names = [f"layout_{name}" for name in self.targets]

    def __call__(self, layers: Features) -> dict[str, Tensor]:
        """Distance of every picture, ``layout_`` and name of the layer -> [B]."""
        result = {}
        for name, (mean, deviation, shift, target) in self.targets.items():
            features = (layers[name][:, :CHANNELS] - mean) / deviation
            mine = autocorrelation(features, shift, torus=self.torus)
            square = (mine - target).square().sum((1, 2, 3)) / target.square().sum()
            result[f"layout_{name}"] = (square + Gram.knee**2).sqrt() - Gram.knee
        return result


def autocorrelation(features: Tensor, shift: int, *, torus: bool) -> Tensor:
    """Mean product of every value with that of the same channel some way off.

    Args:
        features: [B, N, h, w].
        shift: longest shift, less than h and w.
        torus: whether the picture goes on at its other side; else of pairs inside it only.

    Returns:
        [B, N, shift + 1, 2 shift + 1]: shifts down by 0 to ``shift``, and to the side by 0 to
        ``shift``, then by ``-shift`` to -1. The other half of the plane is the same.
    """
    with torch.autocast(features.device.type, enabled=False):
        features = features.float()
        height, width = features.shape[2:]
        room = 0 if torus else shift  # so that nothing wraps around
        size = (height + room, width + room)
        spectrum = torch.fft.rfft2(features, s=size)
        sums: Tensor = torch.fft.irfft2(spectrum.real.square() + spectrum.imag.square(), s=size)
        down = torch.arange(shift + 1, device=features.device)
        side = torch.cat([down, torch.arange(-shift, 0, device=features.device)])
        pairs = (height - room * down / shift)[:, None] * (width - room * side.abs() / shift)
        return sums[:, :, : shift + 1, side] / pairs
