"""How the pages become a site: `python -m sphinx -W -c docs . OUT`, without network."""

import jaxrestore

_PARTS = ("autodoc", "napoleon", "viewcode")
project = html_title = "jaxrestore"
author = "The jaxrestore developers"
version = release = jaxrestore.__version__

extensions = ["myst_parser", *(f"sphinx.ext.{name}" for name in _PARTS)]
root_doc = "docs/index"
include_patterns = ["*.md", "docs/*.md", "benchmarks/README.md"]
myst_heading_anchors = 4  # as deep as pages link into each other

default_role = "code"  # docstrings have one backtick around what is code
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
maximum_signature_line_length = 88

html_theme = "sphinx_book_theme"
html_show_sourcelink = html_show_copyright = False
