"""``hedgeopt report``: a stored proposal drawn again, from its file alone."""

from __future__ import annotations

from pathlib import Path

from hedgeopt.cli.console import progress, say, say_without_charts
from hedgeopt.cli.inputs import print_report

__all__ = ["report"]


def report(proposal: Path, html: Path | None = None, csv: Path | None = None) -> None:
    """Print the report as ``hedgeopt solve`` did; write the page and the tables where asked to."""
    with progress() as stage:
        from hedgeopt.files.writing import write_atomically
        from hedgeopt.program.proposal import read_proposal
        from hedgeopt.reports.proposal_csv import proposal_csv
        from hedgeopt.reports.terminal import proposal_report

        stage("read")
        found = read_proposal(proposal)
        files = {csv / name: text for name, text in proposal_csv(found).items()} if csv is not None else {}
        if html is not None:
            stage("draw")
            files[html] = found.to_html()
        write_atomically(files)
    print_report(proposal_report(found))
    if files:
        say(f"wrote {', '.join(str(path) for path in files)}")
    if html is not None:
        say_without_charts()
