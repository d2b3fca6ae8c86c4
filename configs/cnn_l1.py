"""The plainest baseline: L1 alone, no adversary.

    python -m jaxrestore.main --config configs/cnn_l1.py[:low][,demo]

At rate 0.40 it gains. At rate 0.15 expect about 0 dB, for the reason in `gan_l1`.
"""

from ml_collections import ConfigDict

from configs import gan_l1


def get_config(argument: str = "") -> ConfigDict:
    config = gan_l1.get_config(argument)
    config.adversarial = None
    return config
