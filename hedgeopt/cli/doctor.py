"""``hedgeopt doctor``: versions, platform, and whether the installation is fit for use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hedgeopt.cli.console import progress
from hedgeopt.cli.streams import output

if TYPE_CHECKING:
    from hedgeopt.cli.health import Diagnosis

__all__ = ["doctor"]


def doctor(json: bool = False) -> int:
    """Examine, print, and return the exit code: 1 when something is known to be bad."""
    with progress("examining"):
        from hedgeopt.cli.health import diagnose

        found = diagnose(output().encoding)
    if json:
        from hedgeopt.cli.inputs import print_json

        print_json(found.to_dict())
    else:
        output().write(_words(found))
    return 0 if found.healthy else 1


def _words(found: Diagnosis) -> str:
    lines = [f"{found.python} on {found.platform}, {found.processors} processors, output in {found.encoding}"]
    width = max(map(len, found.packages))
    lines += [f"{name:{width}}  {version or 'not installed'}" for name, version in found.packages.items()]
    for item in found.findings:
        fix = f"; {item.fix}" if item.fix else ""
        lines.append(f"{'BAD' if item.bad else 'note'}: {item.about}: {item.says}{fix}")
    lines.append("fit for use" if found.healthy else "not fit for use")
    return "".join(f"{line}\n" for line in lines)
