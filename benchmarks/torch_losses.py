"""The losses of configs/gan_full.py in PyTorch: (restored, target) -> mean over images.

Images are float32 [b, c, h, w] in [0, 1].
"""

import torch
from torch.nn import functional

MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def l1(restored: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Returns the mean absolute error over the batch."""
    return functional.l1_loss(restored, target)


def cosine(restored: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Returns 1 - cosine of the angle between colours, 1e-3 under both roots."""
    dot = (restored * target).sum(1) + 1e-3
    squares = ((image * image).sum(1) + 1e-3 for image in (restored, target))
    first, second = squares
    return (1 - dot / torch.sqrt(first * second)).mean()


def ms_ssim_luma(restored: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Returns 1 - MS-SSIM of the BT.601 luma, by as many scales as fit the image.

    Source: Wang, Simoncelli, Bovik, "Multiscale structural similarity for image
    quality assessment", Asilomar 2003; the rule for small images is the package's.
    """
    a, b = _luma(restored), _luma(target)
    scales = max(m for m in range(1, 6) if min(a.shape[2:]) > 10 * 2 ** (m - 1))
    weights = MS_SSIM_WEIGHTS[:scales]
    total = sum(weights) if scales < len(MS_SSIM_WEIGHTS) else 1.0
    window = _gaussian(a.device)
    product = torch.ones((), device=a.device)
    for scale, weight in enumerate(weights):
        luminance, structure = _ssim_maps(a, b, window)
        last = scale == scales - 1
        mean = (luminance * structure if last else structure).mean((1, 2, 3))
        product = product * mean.clamp(min=1e-6) ** (weight / total)
        if not last:
            a, b = _halve(a), _halve(b)
    return 1 - product.mean()


def _luma(image):
    red, green, blue = image.unbind(1)
    return (0.299 * red + 0.587 * green + 0.114 * blue)[:, None]


def _ssim_maps(a, b, window):
    stack = torch.cat([a, b, a * a + b * b, a * b])
    means = functional.conv2d(stack, window.view(1, 1, -1, 1))
    means = functional.conv2d(means, window.view(1, 1, 1, -1))
    mean_a, mean_b, squares, products = means.chunk(4)
    variances = squares - mean_a**2 - mean_b**2
    structure = (2 * (products - mean_a * mean_b) + 9e-4) / (variances + 9e-4)
    luminance = (2 * mean_a * mean_b + 1e-4) / (mean_a**2 + mean_b**2 + 1e-4)
    return luminance, structure


def _halve(image):
    height, width = image.shape[2:]
    if height % 2 or width % 2:
        image = functional.pad(image, (0, width % 2, 0, height % 2), mode="replicate")
    return functional.avg_pool2d(image, 2)


def _gaussian(device):
    position = torch.arange(-5, 6, device=device, dtype=torch.float32)
    weight = torch.exp(-0.5 * (position / 1.5) ** 2)
    return weight / weight.sum()


LOSSES = {"l1": l1, "cosine": cosine, "ms_ssim_luma": ms_ssim_luma}
