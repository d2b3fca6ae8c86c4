"""Train or evaluate from a config; `jaxrestore train` is the same.

python -m jaxrestore.main --config configs/gan_full.py[:argument] [--workdir DIR]
    [--mode train|evaluate] [--dry_run] [--fork NEW] [--config.KEY=VALUE ...]
"""

import sys

from jaxrestore.cli import training

if __name__ == "__main__":
    training.run(sys.argv)
