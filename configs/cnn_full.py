"""The study's question, is the adversary worth it: the main job without it.

    python -m jaxrestore.main --config configs/cnn_full.py[:low][,demo]

The study reports 35.67 dB (high) and 36.55 dB (low), against 37.68 and 40.67 with.
Measured with `demo`, one seed: +4.74 dB at 0.40, +3.83 dB at 0.15, with the adversary
+4.72 and +3.88: at this size and length it neither helps nor hurts.
"""

from ml_collections import ConfigDict

from configs import gan_full


def get_config(argument: str = "") -> ConfigDict:
    config = gan_full.get_config(argument)
    config.adversarial = None
    return config
