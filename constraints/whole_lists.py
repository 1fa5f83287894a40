"""What limits on whole lists share: they count or compare trades, and bound no single size."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from hedgeopt.constraints.constraint import BoxConstraint
from hedgeopt.models.arrays import Exposures

__all__ = ["ListConstraint"]


class ListConstraint(BoxConstraint):
    """A limit that only a list in whole lots can be held to: the relaxation knows nothing of it."""

    source: ClassVar[str] = "the desk's own limit"

    @property
    def counts(self) -> bool:
        """It is about the list: no range of sizes says it."""
        return True

    def box(self, e: Exposures) -> tuple[np.ndarray, np.ndarray]:
        """Silent about sizes."""
        return np.full(e.n_candidates, -np.inf), np.full(e.n_candidates, np.inf)

    def traded(self, e: Exposures, x: np.ndarray) -> list[int]:
        """Candidates that are traded; transfers do not count."""
        sent = set(e.links.candidate.tolist())
        return [i for i in np.flatnonzero(x).tolist() if i not in sent]
