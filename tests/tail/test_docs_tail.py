"""The opening of docs/tail.md: it runs as it is printed, in a process that knows nothing of hedges."""

from __future__ import annotations

import re
import subprocess
import sys


def test_the_first_lines_run(repository) -> None:
    text = (repository / "docs" / "tail.md").read_text(encoding="utf-8")
    first, second = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[:2]
    assert len(first.strip().splitlines()) <= 10
    market = "any(m.startswith('hedgeopt.inputs') for m in sys.modules)"
    after = f"import sys; print('market', {market}, few.status, few.value > risk_alone)"
    program = f"{first}risk_alone = problem.value\n{second}{after}"
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    status, value, gap = done.stdout.splitlines()[0].split()
    assert (status, float(gap) <= 1e-6) == ("optimal", True)
    assert float(value) > 0
    assert re.match(r"market False (optimal|user_limit) True", done.stdout.splitlines()[1])
