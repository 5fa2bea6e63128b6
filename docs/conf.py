"""How Sphinx builds the documentation: ``make docs``, without a network."""

from __future__ import annotations

import sys
from pathlib import Path


HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]

import textssl  # noqa: E402


project = "textssl"
author = "The textssl authors"
copyright = author
version = release = textssl.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "textssl_docs"]
exclude_patterns = ["_build", "_ext"]

myst_enable_extensions = ["dollarmath", "deflist", "fieldlist"]
myst_heading_anchors = 4

napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = ["Source"]
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 100

html_theme = "furo"
html_title = f"textssl {release}"
html_show_sourcelink = False
html_show_copyright = False
html_copy_source = False
