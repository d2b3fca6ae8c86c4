"""Loss ablation, row 1: L1 and the adversary.

    python -m jaxrestore.main --config configs/gan_l1.py[:low][,demo]

The study reports 31.66 dB (high) and 34.93 dB (low). At rate 0.15 plain L1 gains about
0 dB, since the median of what a pixel may have been is the pixel itself (see `cnn_l1`);
the adversary, which is shown the degraded image as a wrong answer, pulls it off there.
Measured with `demo`, one seed: +4.38 dB at 0.40, +3.32 dB at 0.15.
"""

from ml_collections import ConfigDict

from configs import gan_full


def get_config(argument: str = "") -> ConfigDict:
    config = gan_full.get_config(argument)
    config.objective.restored = ConfigDict({"l1": 1.0})
    return config
