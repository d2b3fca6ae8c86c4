"""A VAE against a GAN on damaged faces, three seeds of each.

    jaxrestore sweep --study configs/studies/damaged_faces.py --set data.train=FACES
    jaxrestore compare runs/damaged_faces -o runs/damaged_faces/compared

Below scale 1 both recipes are their `demo`, which takes all of `data.train` and is
scored on `data.evaluation`:

    jaxrestore sweep --study configs/studies/damaged_faces.py --scale 0.1 \\
        --set data.train=FACES --set data.evaluation=OTHER_FACES
    jaxrestore compare runs/damaged_faces-0.1 -o runs/damaged_faces-0.1/compared

Source: as of configs/vae.py.
"""

RECIPES = {"VAE": "configs/vae.py", "GAN": "configs/unet_gan.py"}


def get_study(scale: float = 1.0):
    demo = "" if scale == 1 else ":demo"
    return {
        "name": "damaged_faces",
        "config": f"{RECIPES['VAE']}{demo}",
        "arms": [
            {"label": label, "config": f"{recipe}{demo}"}
            for label, recipe in RECIPES.items()
        ],
        "seeds": 3,
        "plots": [{"kind": "sheet"}, {"kind": "gains"}],
    }
