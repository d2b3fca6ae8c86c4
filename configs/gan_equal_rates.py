"""Stabiliser 1 taken away: the discriminator learns as fast as the generator.

    python -m jaxrestore.main --config configs/gan_equal_rates.py[:low][,demo]

Watch the report's accuracy of the discriminator: at 1.0, with a rising adversarial
loss, it has won and teaches nothing more.
"""

from ml_collections import ConfigDict

from configs import gan_full


def get_config(argument: str = "") -> ConfigDict:
    config = gan_full.get_config(argument)
    config.optimizer.discriminator.rate = config.optimizer.generator.rate
    return config
