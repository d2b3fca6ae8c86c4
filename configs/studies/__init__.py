"""Studies: one file each, with `get_study(scale)`; here, what the source's share.

    jaxrestore sweep --study configs/studies/figure_05.py --set data.train=FOLDER

The figures are those of the pixelation study (github.com/PieterBijl/Group28), whose
models are called by batch size, epochs at the full learning rate, and epochs in which
it falls: BS64 N40 D40. It had 5000 training and 1000 test photographs of 256 px, which
are not to be had; without `--set data.train=… --set data.evaluation=…` the few embedded
ones stand in, which shows that a study runs and no more.

`scale` below 1 is for a laptop. It multiplies epochs and batch sizes (at least 1),
keeps the first, the middle and the last value of each axis, and takes the recipe's
`demo`: 128 px and small networks. Labels tell the values that ran.
"""

AB, VARIATIONAL = "configs/pix2pix.py:ab", "configs/pix2pix.py:variational"
BATCH, RATE = 64, 2e-4  # the source's models, where a figure does not say otherwise
EPOCHS = range(10, 151, 10)
DECAYS = range(0, 101, 10)
FACTORS = (0.1, 1, 10, 15, 20)  # of the learning rate
BATCHES = (1, 64, 100)


def study(name, scale, *, config=AB, grid=None, every=10, **fields):
    """Returns a study of pix2pix models, looked at every `every` epochs."""
    overrides = {
        "steps": 0,  # lengths are epochs, also in `demo`
        "lr_policy": "linear",
        "evaluation.every": epochs(every, scale),
        "checkpoint_every": epochs(every, scale),
        "log_every": 1,
    }
    return {
        "name": name,
        "config": recipe(config, scale),
        "grid": grid or {},
        "overrides": overrides,
        "words": {
            "config": {
                recipe(AB, scale): "AB",
                recipe(VARIATIONAL, scale): "variational",
            },
            "lr": {f"{factor * RATE:.12g}": f"LR x{factor:g}" for factor in FACTORS},
        },
        **fields,
    }


def recipe(config, scale):
    return config if scale == 1 else f"{config},demo"


def epochs(count, scale):
    return max(1, round(count * scale))


def batch(size, scale):
    return max(1, round(size * scale))


def epoch_axis(counts, scale):
    """The lengths of an axis, 0 being no length at all."""
    found = [epochs(count, scale) if count else 0 for count in few(counts, scale)]
    return list(dict.fromkeys(found))


def batch_axis(sizes, scale):
    return list(dict.fromkeys(batch(size, scale) for size in sizes))


def rates(factors, scale):
    return [factor * RATE for factor in few(factors, scale)]


def few(values, scale):
    """The first, the middle and the last value, or all at full scale."""
    values = list(values)
    if scale == 1 or len(values) < 3:
        return values
    return [values[0], values[len(values) // 2], values[-1]]
