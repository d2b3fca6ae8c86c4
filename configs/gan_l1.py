"""Loss ablation, row 1: L1 and the adversary.

    python -m jaxrestore.main --config configs/gan_l1.py[:low][,demo]

The study reports 31.66 dB (high) and 34.93 dB (low). At rate 0.40 L1 gains by itself.
At rate 0.15 expect about 0 dB: three of four pixels have not moved, so the median of
what a pixel may have been, which is what L1 asks for, is the pixel itself.
"""

from ml_collections import ConfigDict

from configs import gan_full


def get_config(argument: str = "") -> ConfigDict:
    config = gan_full.get_config(argument)
    config.objective.restored = ConfigDict({"l1": 1.0})
    return config
