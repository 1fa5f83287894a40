"""The documentation site: the pages of this folder, the notebooks with their outputs, and the public names."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from api_page import api_page  # noqa: E402  beside this file, which no package holds

import hedgeopt  # noqa: E402

project, author, release = "hedgeopt", "the authors of hedgeopt", hedgeopt.__version__
project_copyright = "Apache-2.0"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "hedgeopt"

# notebooks are committed with their outputs, which tests/test_notebooks.py checks: nothing runs here
nb_execution_mode = "off"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autodoc_default_options = {"exclude-members": "model_config, model_post_init"}
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring = False
napoleon_use_ivar = True
# "see :attr:`name`" in a docstring means that of its class, which many classes have
suppress_warnings = ["ref.python"]

_copied = HERE / "notebooks"
shutil.rmtree(_copied, ignore_errors=True)
_copied.mkdir()
for _path in sorted((HERE.parent / "notebooks").glob("*.ipynb")):
    shutil.copy(_path, _copied / _path.name)
(HERE / "api.md").write_text(api_page(), encoding="utf-8")
