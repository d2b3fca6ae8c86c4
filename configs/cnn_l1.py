"""The plainest baseline: L1 alone, no adversary.

    python -m jaxrestore.main --config configs/cnn_l1.py[:low][,demo]

At rate 0.40 it gains. At rate 0.15 expect about 0 dB: three of four pixels have not
moved, so the median of what a pixel may have been, which is what L1 asks for, is the
pixel itself. Measured with `demo`, one seed: +4.36 dB at 0.40; at 0.15 it is back
at the input after 700 steps, +0.00 dB, from +0.23 dB after 175.
"""

from ml_collections import ConfigDict

from configs import gan_l1


def get_config(argument: str = "") -> ConfigDict:
    config = gan_l1.get_config(argument)
    config.adversarial = None
    return config
