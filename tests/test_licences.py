"""The licence list of CI: what passes, what does not, and that this installation passes."""

from __future__ import annotations

import importlib.util
from email.message import Message

import pytest


@pytest.fixture(scope="module")
def licences(repository):
    spec = importlib.util.spec_from_file_location("licences", repository / ".ci" / "licences.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "words",
    ["MIT", "BSD-3-Clause AND 0BSD AND Zlib", "Apache-2.0 OR GPL-2.0-only", "LGPL-3.0-or-later", "PSF-2.0",
     "GNU Lesser General Public License v3 (LGPLv3)", "BSD-2-Clause AND Apache-2.0 WITH LLVM-exception"],
)  # fmt: skip
def test_passes(words, licences):
    assert licences.fault("anything", words) is None


@pytest.mark.parametrize(
    "words",
    ["", "UNKNOWN", "GPLv3", "GPL-3.0-or-later", "AGPL-3.0-only", "GNU General Public License v2 (GPLv2)", "BUSL-1.1",
     "GNU Affero General Public License v3", "MIT AND GPL-3.0-only", "MIT AND Mystery-1.0", "Proprietary",
     "Business Source License 1.1", "Mystery-1.0 OR GPL-3.0-only"],
)  # fmt: skip
def test_does_not_pass(words, licences):
    assert licences.fault("anything", words) is not None
    assert licences.fault("ecos", words) is None


def test_the_licence_is_the_expression_then_the_classifiers_then_the_field(licences):
    told = Message()
    told["License"] = "Custom\nof many lines"
    assert licences.licence(told) == "Custom"
    told["Classifier"] = "Topic :: Software"
    told["Classifier"] = "License :: OSI Approved :: BSD License"
    assert licences.licence(told) == "BSD License"
    told["License-Expression"] = "MIT"
    assert licences.licence(told) == "MIT"


def test_every_exception_has_a_reason(licences):
    assert set(licences.EXCEPTIONS) == {"ecos", "axe-playwright-python"}
    assert all(len(reason) > 20 for reason in licences.EXCEPTIONS.values())
