"""Damaged faces by a conditional GAN, on the data and the budget of `vae.py`.

    python -m jaxrestore.main --config configs/unet_gan.py --config.data.train=FACES

Arguments, joined by commas after a colon:
  source   binary cross-entropy alone, the only loss that the source names: L1 is
           reported, but weighs 0
  demo     64 px and networks of half the width: seven minutes on two cores

The generator's loss is the binary cross-entropy of the discriminator's answer plus 100
times L1, on images in [0, 1] half of pix2pix's weight; without L1 nothing says that the
face stays the same. Generator and discriminator move once in every step.

Source: as of `vae.py`: 8 layers down to 512 numbers and 8 up, a discriminator of four
layers and a dense end that is shown both images, binary cross-entropy for both, Adam at
1e-4. Beta1, dropout and L1 are those of Isola et al., "Image-to-Image Translation with
Conditional Adversarial Networks", CVPR 2017.
"""

from ml_collections import ConfigDict

from configs import vae


def get_config(argument: str = "") -> ConfigDict:
    words = vae.words_of(argument, "source", "demo")
    config = vae.damaged_faces(demo="demo" in words)
    config.generator = ConfigDict()
    config.generator.name = "pix2pix_unet"
    config.generator.filters = 64
    config.generator.downs = 8  # log2 of the side: the map ends as one pixel
    config.generator.inner_norm = True
    config.generator.dropout = 0.5
    config.objective = ConfigDict()
    config.objective.restored = {"l1": 0.0 if "source" in words else 100.0}
    config.adversarial.mode = "vanilla"
    config.adversarial.weight = 1.0
    config.adversarial.mismatched = 0.0  # true pairs and restored ones, no others
    config.adversarial.identity = 0.0
    config.discriminator = ConfigDict()
    config.discriminator.name = "dcgan"
    config.discriminator.filters = 64
    config.discriminator.head = "dense"  # or hidden, average
    config.discriminator.conditional = True
    config.optimizer.generator.beta1 = 0.5
    config.optimizer.discriminator.beta1 = 0.5
    if "demo" in words:
        config.generator.filters = 32
        config.generator.downs = 6
        config.discriminator.filters = 32
    return config
