"""MWCNN removes the artefacts of JPEG files.

    python -m jaxrestore.main --config configs/mwcnn_jpeg.py

Arguments, joined by commas after a colon (`configs/mwcnn_jpeg.py:rgb,compact`):
  luma        one channel, the default and the papers'; or rgb, with chroma at half
              resolution in three of four files
  quality=10  the quality of all files; from 10 to 90 if not given, of each another one
  compact     a network a sixth as large
  demo        half an hour on two CPU cores

A quarter of the crops come from elsewhere than the corner of a file, so that the
network meets every phase of the 8x8 blocks. Luma is full-range grey; of colour
photographs (LIVE1) the tables score the studio-range Y, so that `luma` compares with
them on Classic5 alone.

Measured with `compact,demo` on two cores, one seed, 397 photographs, on Classic5: 28.89
dB at quality 10 (the file 27.82), 31.26 at 20 (30.12), 33.48 at 40 (32.43).

Source: Liu et al., "Multi-level Wavelet-CNN for Image Restoration", CVPRW 2018: 30.01
dB on Classic5 at `quality=10`.
"""

from ml_collections import ConfigDict

from configs import gan_full, mwcnn_denoise


def get_config(argument: str = "") -> ConfigDict:
    words = [word for word in argument.split(",") if word]
    qualities = [word for word in words if word.startswith("quality=")]
    colors = {"luma", "rgb"} & set(words)
    known = {"luma", "rgb", "compact", "demo", *qualities}
    if set(words) - known or len(colors) > 1 or len(qualities) > 1:
        raise ValueError(
            f"argument {argument!r}: give at most one of luma and rgb, quality=10, and "
            "compact, demo"
        )
    luma = "rgb" not in words
    config = mwcnn_denoise.network("gray" if luma else "rgb")
    config.degradation = ConfigDict()
    config.degradation.name = "jpeg"
    quality = int(mwcnn_denoise.number(qualities[0])) if qualities else (10, 90)
    config.degradation.quality = gan_full.number_or_range(quality)
    config.degradation.subsampling = "4:4:4" if luma else 0.75  # of 4:2:0
    config.degradation.random_grid = 0.25
    config.evaluation.protocol = "jpeg_y"
    if "compact" in words:
        config.generator.widths = (48, 96, 128)
    if "demo" in words:
        mwcnn_denoise.shrink(config)
    return config
