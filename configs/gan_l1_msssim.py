"""Loss ablation, row 2: L1, MS-SSIM and the adversary.

    python -m jaxrestore.main --config configs/gan_l1_msssim.py[:low][,demo]

The study reports 34.30 dB (high) and 37.47 dB (low). Measured with `demo`, one seed:
+4.62 dB at 0.40, +3.84 dB at 0.15.
"""

from ml_collections import ConfigDict

from configs import gan_full


def get_config(argument: str = "") -> ConfigDict:
    config = gan_full.get_config(argument)
    config.objective.restored = ConfigDict({"l1": 1.0, "ms_ssim_luma": 1.0})
    return config
