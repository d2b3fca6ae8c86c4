"""The deblurring GAN: as its source trained it, as it is here, and its 3:1.

Four arms: the default recipe and the source's, each with three moves of the generator
for one of the discriminator, and with one for one.

    jaxrestore sweep --study configs/studies/deblurring.py --set data.train=FACES \\
        --set data.evaluation=OTHER_FACES
    jaxrestore compare runs/deblurring -o runs/deblurring/compared

Below scale 1 each arm is the `demo` of its recipe.

Source: as of configs/deblur_gan.py.
"""

RECIPE = "configs/deblur_gan.py"


def get_study(scale: float = 1.0):
    demo = [] if scale == 1 else ["demo"]
    default = ":".join([RECIPE, *demo])
    source = ":".join([RECIPE, ",".join(["source", *demo])])
    one = {"adversarial.generator_steps": 1}
    return {
        "name": "deblurring",
        "config": default,
        "arms": [
            {"label": "3:1", "config": default},
            {"label": "1:1", "config": default, **one},
            {"label": "source 3:1", "config": source},
            {"label": "source 1:1", "config": source, **one},
        ],
        "plots": [{"kind": "sheet"}, {"kind": "gains"}],
    }
