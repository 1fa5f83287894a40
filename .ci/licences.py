"""Lists the licence of every installed distribution; fails on GPL, AGPL, BUSL and unknown ones.

Run in the environment to be judged: ``.venv/bin/python .ci/licences.py``. The licence is the SPDX expression that a
distribution declares; for older ones its classifiers, then the words of its ``License`` field. LGPL, MPL and EPL are
fine for what is only imported. A disjunction ("GPL or BSD") passes if one of its sides does.
"""

from __future__ import annotations

import re
import sys
from importlib import metadata

EXCEPTIONS = {
    "ecos": "GPL-3.0: the owner's choice among solvers; hedgeopt calls it through cvxpy and nothing of it is copied here",
    "axe-playwright-python": "MIT by the LICENSE file it ships, axe-core inside it MPL-2.0; only the tests of pages use it",
}
FORBIDDEN = re.compile(
    r"\bA?GPL|GNU (Affero )?General Public|Affero|BUSL|Business Source|SSPL|Commons Clause|Proprietary", re.I
)
LESSER = re.compile(r"LGPL|Lesser General Public", re.I)
KNOWN = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python[- ]2|Python Software Foundation|MPL|Mozilla|LGPL|Lesser General Public|EPL|Unlicense|"
    r"Zlib|HPND|CC0|0BSD|Public Domain|MIT-CMU|Boost|BSL-1\.0",
    re.I,
)


def licence(package: metadata.PackageMetadata) -> str:
    """The licence that a distribution declares, in one line; empty if none."""
    if declared := package.get("License-Expression"):
        return declared
    classified = [c.split("::")[-1].strip() for c in package.get_all("Classifier") or () if c.startswith("License ::")]
    classified = [name for name in classified if name != "OSI Approved"]
    return " OR ".join(classified) or (package.get("License") or "").strip().partition("\n")[0]


def fault(name: str, words: str) -> str | None:
    """Why this licence does not pass, or None."""
    if name in EXCEPTIONS:
        return None
    both = re.search(r"\bAND\b", words) is not None  # then every licence named must pass, whatever else is offered
    sides = [side for side in re.split(r"\s+OR\s+|\s+AND\s+|;", words) if side.strip(" ()")]
    if not sides:
        return "declares no licence"
    reasons = [_side(side) for side in sides]
    told = [reason for reason in reasons if reason is not None]
    return told[0] if told and (both or len(told) == len(reasons)) else None


def _side(words: str) -> str | None:
    plain = LESSER.sub("LESSER", words)
    if FORBIDDEN.search(plain):
        return f"is under {words.strip()}"
    return None if KNOWN.search(words) else f"has a licence that is not known here: {words.strip()[:80]!r}"


def main() -> int:
    """Print the list; 1 if something does not pass."""
    failed = 0
    # the same distribution may be found twice, where one environment lies over another
    found = {re.sub(r"[-_.]+", "-", d.metadata["Name"]).lower(): d for d in metadata.distributions() if d.metadata["Name"]}
    for name, distribution in sorted(found.items()):
        words = licence(distribution.metadata)
        reason = fault(name, words)
        failed += reason is not None
        note = f"   EXCEPTION: {EXCEPTIONS[name]}" if name in EXCEPTIONS else ""
        print(f"{name:28s} {distribution.version:14s} {words[:70]}{note}")
        if reason is not None:
            print(f"licences: {name} {reason}", file=sys.stderr)
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
