"""Stabiliser 2 taken away: one logit an image instead of one a patch.

python -m jaxrestore.main --config configs/gan_one_number.py[:low][,demo]
"""

from ml_collections import ConfigDict

from configs import gan_full


def get_config(argument: str = "") -> ConfigDict:
    config = gan_full.get_config(argument)
    config.discriminator.one_number = True
    return config
