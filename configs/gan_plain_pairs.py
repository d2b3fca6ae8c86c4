"""Stabiliser 3 taken away: the discriminator sees no mixed image pairs.

python -m jaxrestore.main --config configs/gan_plain_pairs.py[:low][,demo]
"""

from ml_collections import ConfigDict

from configs import gan_full


def get_config(argument: str = "") -> ConfigDict:
    config = gan_full.get_config(argument)
    config.adversarial.mismatched = 0.0
    config.adversarial.identity = 0.0
    return config
