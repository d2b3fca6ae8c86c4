"""What README.md, docs/ and their like tell to type: commands, config keys and Python.

Commands are parsed by the program that they are for and not run; Python is run, with
small images, a network and a run where a page speaks of the reader's own. Blocks can be
pasted, and links lead somewhere.
"""

import ast
import copy
import functools
import importlib.util
import itertools
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import typer
from absl import flags
from ml_collections import config_flags
from PIL import Image

import jaxrestore
from jaxrestore import (
    assignments,
    config_files,
    files,
    losses,
    naming,
    networks,
    protocols,
)
from jaxrestore.cli import app, training
from jaxrestore.runs import checkpoints
from jaxrestore.weights import cards, weight_files

ROOT = Path(__file__).parents[1]
PAGES = {
    page.relative_to(ROOT).as_posix(): page.read_text()
    for page in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
}
BLOCK = re.compile(r"^```([\w{}-]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHELL = ("", "bash", "sh", "console")
ALTERNATIVES = re.compile(r"\w+(\|\w+)+")
COMMAND_LINE: Any = typer.main.get_command(app.app)
# Of programs that are not ours; CI runs those of the README.
OTHERS = {
    ("python", "-m", "venv"),
    ("python", "-m", "pytest"),
    ("python", "-m", "sphinx"),
    ("pip", "install", "."),
    ("pip", "install", ".[web]"),
    ("pip", "install", "--editable"),
    (".", ".venv/bin/activate"),
    ("pre-commit", "run", "--all-files"),
}


def _blocks(page, *languages):
    return [text for language, text in BLOCK.findall(page) if language in languages]


def _joined(block):
    """The lines of a block, those that end in a backslash with the next one."""
    return re.sub(r"\\\n\s*", "", block).splitlines()


def _lines(block):
    """The commands of a block; an indented line is the one above with more options."""
    command = ""
    for line in _joined(block):
        if line.startswith("#"):
            continue
        # Two blanks and more begin what a page says about the command.
        told = re.split(r"\s{2,}", line.strip(), maxsplit=1)[0]
        if not line.startswith(" "):
            command = told
        yield from (told if told == command else f"{command} {told}").split(" ; ")


def _words(line):
    """The words of a command, without brackets, dots and what runs it elsewhere."""
    line = re.sub(r"\[(-[^]]*)\]", r"\1", line)
    words = shlex.split(line, comments=True)
    words = [word for word in words if word not in ("...", "…")]
    if words[:2] == ["taskset", "-c"]:
        words = words[3:]
    words[0] = words[0].removeprefix(".venv/bin/").replace("python3", "python")
    return words


def _commands(page):
    """Every command of a page, once for each of the `a|b|c` in it."""
    for line in itertools.chain.from_iterable(map(_lines, _blocks(page, *SHELL))):
        words = _words(line)
        choices = [w.split("|") if ALTERNATIVES.fullmatch(w) else [w] for w in words]
        yield from itertools.product(*choices)


COMMANDS = sorted({(page, c) for page in PAGES for c in _commands(PAGES[page])})
TYPED = {
    page: [
        " ".join(text.split())
        for text in re.findall(r"`([^`]+)`", BLOCK.sub("", PAGES[page]))
    ]
    for page in PAGES
}
QUOTED = sorted(
    {(p, t) for p in PAGES for t in TYPED[p] if t.startswith("jaxrestore ")}
)


def _subcommand(words):
    """The command that the words name, and the words after its name."""
    found, rest = COMMAND_LINE, list(words)
    while hasattr(found, "commands") and rest:
        # What stands before the name of a command, as the URL of `remote`.
        before = [p for p in found.params if p.param_type_name == "argument"]
        rest = rest[len(before) :]
        assert rest[0] in found.commands, naming.nearest(rest[0], found.commands)
        found = found.commands[rest.pop(0)]
    return found, rest


def _check_jaxrestore(words):
    command, rest = _subcommand(words)
    assert not hasattr(command, "commands"), f"which of {sorted(command.commands)}?"
    given = command.make_context(command.name, rest).params
    if command.name == "evaluate":
        assert given["protocol"] in naming.public(protocols)
    if command.name == "degrade":
        degrade = naming.module("degradations", given["kind"]).degrade
        keys = {assignments.read(text)[0] for text in given["option"] or []}
        assert keys <= networks.keyword_options(degrade)
    if command.name == "sweep" and given["config"]:
        _, config = config_files.load(given["config"])
        flat = config_files.translate(given["config"], config) | config.to_dict()
        for text in [*given["grid"], *(given["option"] or [])]:
            assert text.split("=")[0].split(".")[0] in flat, text
    if command.name == "sweep" and given["study"]:
        assert (ROOT / given["study"]).is_file()


def _check_main(words, monkeypatch):
    parsed = flags.FlagValues()  # of its own: those of the process stay as they are
    for flag in flags.FLAGS.flags_by_module_dict()[training.__name__]:
        if flag.name == "config":
            config_flags.DEFINE_config_file(
                "config", lock_config=True, flag_values=parsed
            )
        else:
            parsed[flag.name] = copy.deepcopy(flag)
    arguments = ["main", *training.found(list(words))]
    monkeypatch.setattr(sys, "argv", arguments)
    assert parsed(arguments) == ["main"]


def _check_benchmark(module, words):
    assert importlib.util.find_spec(module), module
    source = (ROOT / "benchmarks" / "harness.py").read_text()
    source += (ROOT / (module.replace(".", "/") + ".py")).read_text()
    for word in words:
        assert not word.startswith("--") or f'"{word}"' in source, word


@pytest.mark.parametrize(("page", "words"), COMMANDS)
def test_a_command_of_a_page_is_one_that_its_program_takes(page, words, monkeypatch):
    monkeypatch.chdir(ROOT)
    if words[0] == "jaxrestore":
        _check_jaxrestore(words[1:])
    elif words[:3] == ("python", "-m", "jaxrestore.main"):
        _check_main(words[3:], monkeypatch)
    elif words[:2] == ("python", "-m") and words[2].startswith("benchmarks."):
        _check_benchmark(words[2], words[3:])
    else:
        assert words[:3] in OTHERS, page


BENCHMARKS = (ROOT / "benchmarks" / "README.md").read_text()
PASTED = {**PAGES, "benchmarks/README.md": BENCHMARKS}


def _is_pasted(line):
    """Whether a shell takes the line as it stands: what it says of itself is behind #.

    No `a|b` for two commands, no brackets around what may be left out, no dots.
    """
    words = shlex.split(line, comments=True)
    return (
        not line.startswith(" ")
        and not any(
            ALTERNATIVES.fullmatch(word) or word in ("...", "…") or word[0] == "["
            for word in words
        )
        and not re.search(r"\S {2,}[^# ]", line)
    )


@pytest.mark.parametrize("page", PASTED)
def test_the_commands_of_a_page_can_be_pasted(page):
    lines = itertools.chain.from_iterable(map(_joined, _blocks(PASTED[page], *SHELL)))
    assert [line for line in lines if not _is_pasted(line)] == []


@pytest.mark.parametrize(
    ("line", "pasted"),
    [
        ("jaxrestore models list|verify", False),
        ("jaxrestore models list  what they are", False),
        ("jaxrestore models list  # what they are", True),
        ("# what they are: list | info", True),
        ("    --dry_run", False),
        ("jaxrestore compare RUN RUN ...", False),
        ("jaxrestore degrade IN OUT --kind jpeg [--layout AB]", False),
        ('jaxrestore degrade IN OUT --kind jpeg --set "quality=(10, 40)"', True),
    ],
)
def test_what_cannot_be_pasted_is_found(line, pasted):
    assert _is_pasted(line) == pasted


@pytest.mark.parametrize(("page", "text"), QUOTED)
def test_a_command_in_a_sentence_has_its_name_and_its_options(page, text):
    words = [word for word in text.split()[1:] if word != "…"]
    if words[0] not in ("--version", "--help"):
        for choice in itertools.product(*(word.split("|") for word in words)):
            command, rest = _subcommand(choice)
            known = {name for option in command.params for name in option.opts}
            assert {word for word in rest if word.startswith("-")} <= known


def test_a_config_key_in_a_sentence_is_one_of_some_recipe():
    keys = {
        (page, key)
        for page in PAGES
        for text in TYPED[page]
        for key in re.findall(r"--config\.([\w.]+)", text)
        if key != "KEY"
    }
    assert len(keys) >= 5
    recipes = [f"configs/{file.name}" for file in (ROOT / "configs").glob("[!_]*.py")]
    configs = [config_files.load(recipe)[1].to_dict() for recipe in recipes]
    for page, key in keys:
        assert any(_has(config, key.split(".")) for config in configs), (page, key)


OVERRIDES = sorted(
    {t for p in PAGES for t in TYPED[p] if re.match(r"--config\.[\w.]+=", t)}
    - {"--config.KEY=VALUE"}
)


@pytest.mark.parametrize("text", OVERRIDES)
def test_an_override_in_a_sentence_is_one_that_some_recipe_takes(text, monkeypatch):
    monkeypatch.chdir(ROOT)
    refused = []
    for recipe in ("gan_full.py", "pix2pix.py", "deblur_gan.py:pairs", "esrgan.py"):
        try:
            return _check_main(
                ["--config", f"configs/{recipe}", *shlex.split(text)], monkeypatch
            )
        except Exception as error:
            refused.append(f"{recipe}: {error}")
    raise AssertionError(refused)


def _slug(heading):
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES)
def test_a_link_of_a_page_leads_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", BLOCK.sub("", PAGES[page])):
        name, _, anchor = target.partition("#")
        there = (ROOT / page).parent / name if name else ROOT / page
        assert there.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", BLOCK.sub("", there.read_text()), re.M)
            assert anchor in map(_slug, headings), target


def _has(section, names):
    return not names or (
        isinstance(section, dict)
        and names[0] in section
        and _has(section[names[0]], names[1:])
    )


PYTHON = [
    (page, i) for page in PAGES for i in range(len(_blocks(PAGES[page], "python")))
]


@pytest.fixture(scope="module")
def of_the_reader(tmp_path_factory):
    """A folder with what pages call the reader's: pictures, weights and a run."""
    home = tmp_path_factory.mktemp("of_the_reader")
    picture = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    for name in ("IN.png", "SET5/0.png"):
        (home / name).parent.mkdir(exist_ok=True)
        Image.fromarray(picture).save(home / name)
    config = config_files.load("configs/gan_full.py:demo")[1].to_dict()
    model = networks.build("Generator", config["generator"])
    init = functools.partial(model.init, train=False)
    shapes = jax.eval_shape(init, jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
    nothing = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    run = home / "runs" / "mine"
    run.mkdir(parents=True)
    files.write_json(run / "config.json", checkpoints.versioned(config))
    with checkpoints.manager(run) as manager:
        checkpoints.save(
            manager,
            1,
            {"step": np.ones(())},
            restorer=nothing,
            config=config,
            score=None,
        )
    card, variables = cards.of_run(run)
    weight_files.write(home / "mine.safetensors", variables, card)
    return home


@pytest.mark.parametrize(("page", "number"), PYTHON)
def test_the_python_of_a_page_runs(page, number, of_the_reader, monkeypatch):
    images = np.random.default_rng(0).random((2, 24, 24, 3), np.float32)
    monkeypatch.chdir(of_the_reader)
    known = {
        "restored": jnp.asarray(images)[:, :16, :16],
        "target": jnp.asarray(images)[:, 8:, 8:],
        "mask": jnp.ones((2, 16, 16, 1)),
        "config": config_files.load("configs/gan_full.py")[1],
    }
    source = _blocks(PAGES[page], "python")[number]
    exec(compile(source, f"{page}, block {number}", "exec"), known)
    assert set(known["config"].objective.restored) <= set(naming.public(losses))
    stored = {
        node.id
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    if "scores" in stored:
        assert known["scores"]["psnr"].shape == (2,)
    if "noisy" in stored:
        assert known["noisy"].shape == (24, 24, 3)
        assert (known["noisy"] != known["image"]).any()
        assert known["batch"].shape == (2, 24, 24, 3)
    if "half" in stored:
        with Image.open("IN.png") as given, Image.open("OUT.png") as written:
            assert (given.size, given.mode) == (written.size, written.mode)
        # The last network is the run's, which changes nothing.
        np.testing.assert_allclose(known["half"], known["pixels"] / 255, atol=1e-6)


def test_the_changelog_has_the_version():
    assert f"## [{jaxrestore.__version__}]" in PAGES["CHANGELOG.md"]


def test_the_pages_are_read():
    assert len(COMMANDS) > 40 and len(QUOTED) > 5 and len(PYTHON) >= 3
    assert ("README.md", ("jaxrestore", "models", "verify")) in COMMANDS


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("jaxrestore restor a -o b", "did you mean 'restore'"),
        ("jaxrestore restore a -o b --taks denoise", "--taks"),
        ("jaxrestore evaluate --predictions A", "targets"),
        ("jaxrestore degrade A B --kind jpeg --set qualty=3", "qualty"),
        ("python -m jaxrestore.main --config configs/vae.py --config.stpes=3", "steps"),
        ("python -m jaxrestore.main --config configs/vae.py --dryrun", "dryrun"),
        ("python -m benchmarks.arms --armz 3", "armz"),
    ],
)
def test_a_command_that_is_wrong_is_found(line, complaint, monkeypatch):
    with pytest.raises(Exception, match=complaint):
        test_a_command_of_a_page_is_one_that_its_program_takes(
            "README.md", tuple(line.split()), monkeypatch
        )
