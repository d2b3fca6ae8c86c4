"""The page docs/config.md, which `jaxrestore keys` prints: every key of a config."""

from jaxrestore import config_keys

_HEAD = """# The keys of a config

Every key of a training run, as [`gan_full`](../configs/gan_full.py) has them. This page
comes from `jaxrestore/config_keys.py`; `jaxrestore keys > docs/config.md` writes it
anew. Any key can be given on the command line, as
`--config.optimizer.generator.rate=1e-3`; a mistake is told with what the key may hold.

One recipe has other keys: [`pix2pix`](../configs/pix2pix.py) takes pix2pix's own names,
such as `lr`, `n_epochs` and `netG`, in place of `epochs`, `crop`, `augment`,
`generator`, `discriminator`, `objective`, `adversarial`, `optimizer` and three keys of
`data`. Its `get_config` lists them with their defaults, its `translate` says what each
becomes here.

A `name` in a config is the name of a file, and the other keys of its section are
options which that file tells: fields of the `Generator` or `Discriminator` of a network
in `jaxrestore/models/` ([networks.md](networks.md) lists them), keyword arguments of
`degrade` in `jaxrestore/degradations/`. A loss in the objective is a function of
`jaxrestore/losses.py`. An option that the recipe does not set is given with its whole
section:
`--config.generator="{{'name': 'fcn', 'width': 32, 'blocks': 4, 'channels': 1}}"`.

Configs are of version {version}, which stands in the `config.json` of a run. A key that
came after version 1 says so: in runs of older builds it has its default, which is what
those builds did.
"""


def page() -> str:
    """Returns the page in Markdown: a table of the keys of each section."""
    parts = [_HEAD.format(version=config_keys.VERSION)]
    sections = [key for key in config_keys.KEYS if key.holds == config_keys.SECTION]
    rows = config_keys.inside().values()
    parts.append(_table("The run", "", rows))
    for section in sections:
        rows = config_keys.inside(section.name).values()
        parts.append(_table(f"`{section.name}`", _about(section), rows))
    return "\n".join(parts)


def _about(section):
    if not section.optional:
        return section.meaning
    usual = "; None by default" if section.default is None else ""
    return f"{section.meaning} The section may be None{usual}."


def _table(title, meaning, rows):
    lines = [f"## {title}", ""]
    lines += [meaning, ""] if meaning else []
    lines += ["| key | holds | default | unit | meaning |", "|---|---|---|---|---|"]
    for key in rows:
        if key.holds == config_keys.SECTION:
            continue
        lines.append(_line(key))
        # The name of what a section stands for; its options are told elsewhere.
        lines += [_line(below) for below in config_keys.inside(key.name).values()]
    return "\n".join([*lines, ""])


def _line(key):
    since = f" Since version {key.since}." if key.since > 1 else ""
    cells = (f"`{key.name}`", _holds(key), _default(key), key.unit, key.meaning + since)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _holds(key):
    if not isinstance(key.holds, type):
        words = key.holds
    elif choices := config_keys.choices(key):
        words = ", ".join(f"`{word}`" for word in choices)
    else:
        words = config_keys.TYPES[key.holds].removeprefix("a ") + _bounds(key)
    return f"{words}, or None" if key.optional else words


def _bounds(key):
    if key.high is not None:
        return f", {key.low} to {key.high}"
    return "" if key.low is None else f", at least {key.low}"


def _default(key):
    if key.default is None:
        return "none: it must be given"
    return f"`{key.default!r}`" if key.default != {} else ""
