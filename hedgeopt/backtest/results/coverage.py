"""Tests whether the promised value at risk was exceeded as often as promised, and without clustering.

A *hit* is a loss above the promised value at risk. Under a correct promise at confidence ``beta`` the hits are independent
with probability ``p = 1 - beta``.

Sources: Kupiec (1995), Techniques for verifying the accuracy of risk measurement models, J. of Derivatives 3(2);
Christoffersen (1998), Evaluating interval forecasts, International Economic Review 39(4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hedgeopt.errors import InputError

__all__ = ["LikelihoodRatio", "christoffersen", "conditional_coverage", "kupiec", "transitions"]


@dataclass(frozen=True)
class LikelihoodRatio:
    """One likelihood-ratio test.

    Attributes
    ----------
    name
        What is tested.
    statistic
        ``-2 ln(likelihood under the promise / largest likelihood)``.
    degrees
        Degrees of freedom of the asymptotic chi-square.
    p_value
        Its upper tail.
    exact_p_value
        Two-sided exact p-value (binomial), where there is one: believe it when few hits are expected.
    """

    name: str
    statistic: float
    degrees: int
    p_value: float
    exact_p_value: float | None = None

    @property
    def p(self) -> float:
        """The exact p-value where there is one, else the asymptotic."""
        return self.p_value if self.exact_p_value is None else self.exact_p_value

    def rejected(self, level: float = 0.05) -> bool:
        """Whether the promise is refuted at ``level``."""
        return self.p < level


def kupiec(hits: np.ndarray, probability: float) -> LikelihoodRatio:
    """Unconditional coverage: ``LR = -2 ln[(1-p)^(T-x) p^x / ((1-x/T)^(T-x) (x/T)^x)]``, chi-square with 1 degree.

    Parameters
    ----------
    hits
        ``(T,)`` booleans in time order.
    probability
        Promised probability of a hit, ``1 - beta``.
    """
    hits = _hits(hits)
    p = _probability(probability)
    count, total = int(hits.sum()), len(hits)
    free = _bernoulli(count, total - count, count / total)
    statistic = _ratio(free - _bernoulli(count, total - count, p))
    return LikelihoodRatio(
        "unconditional coverage (Kupiec)", statistic, 1, _upper_tail(statistic, 1), _exact(count, total, p)
    )


def christoffersen(hits: np.ndarray) -> LikelihoodRatio:
    """Independence against a first-order Markov chain, chi-square with 1 degree.

    ``LR = -2 ln[(1-q)^(n00+n10) q^(n01+n11) / ((1-q01)^n00 q01^n01 (1-q11)^n10 q11^n11)]`` with ``nij`` the moves from state
    ``i`` to ``j``, ``qi1 = ni1 / (ni0 + ni1)`` and ``q = (n01 + n11) / (T - 1)``.
    """
    n00, n01, n10, n11 = transitions(hits)
    free = _bernoulli(n01, n00, _share(n01, n00)) + _bernoulli(n11, n10, _share(n11, n10))
    statistic = _ratio(free - _bernoulli(n01 + n11, n00 + n10, _share(n01 + n11, n00 + n10)))
    return LikelihoodRatio("independence (Christoffersen)", statistic, 1, _upper_tail(statistic, 1))


def conditional_coverage(hits: np.ndarray, probability: float) -> LikelihoodRatio:
    """Coverage and independence at once: the sum of the two ratios, chi-square with 2 degrees (Christoffersen 1998, eq. 17).

    The sum is exact when both use the same observations; here, as in common practice, coverage also counts the first one.
    """
    statistic = kupiec(hits, probability).statistic + christoffersen(hits).statistic
    return LikelihoodRatio("conditional coverage (Christoffersen)", statistic, 2, _upper_tail(statistic, 2))


def transitions(hits: np.ndarray) -> tuple[int, int, int, int]:
    """``(n00, n01, n10, n11)``: how often state ``i`` was followed by ``j``."""
    hits = _hits(hits)
    if len(hits) < 2:
        raise InputError("independence needs at least two observations", value=len(hits))
    counts = np.bincount(2 * hits[:-1].astype(int) + hits[1:].astype(int), minlength=4)
    return int(counts[0]), int(counts[1]), int(counts[2]), int(counts[3])


def _hits(hits: np.ndarray) -> np.ndarray:
    hits = np.asarray(hits)
    if hits.ndim != 1 or len(hits) == 0 or hits.dtype != bool:
        raise InputError("hits must be a non-empty row of booleans", value=f"{hits.dtype} of shape {hits.shape}")
    return hits


def _probability(p: float) -> float:
    if not 0.0 < p < 1.0:
        raise InputError("probability of a hit must lie between 0 and 1", value=p, fix="give 1 - beta")
    return p


def _bernoulli(ones: int, zeros: int, p: float) -> float:
    """Log-likelihood of that many ones and zeros; ``0 ln 0 = 0``."""
    from scipy.special import xlog1py, xlogy

    return float(xlogy(ones, p) + xlog1py(zeros, -p))


def _share(ones: int, zeros: int) -> float:
    return ones / (ones + zeros) if ones + zeros else 0.0


def _ratio(gain: float) -> float:
    """Twice the log-likelihood gained by freeing the parameters: never negative but for rounding."""
    return max(2.0 * gain, 0.0)


def _upper_tail(statistic: float, degrees: int) -> float:
    from scipy.special import chdtrc

    return float(chdtrc(degrees, statistic))


def _exact(count: int, total: int, p: float) -> float:
    """Probability of all counts that are no likelier than this one."""
    from scipy.special import gammaln, xlog1py, xlogy

    k = np.arange(total + 1)
    log_pmf = gammaln(total + 1) - gammaln(k + 1) - gammaln(total - k + 1) + xlogy(k, p) + xlog1py(total - k, -p)
    pmf = np.exp(log_pmf)
    return min(1.0, float(pmf[pmf <= pmf[count] * (1.0 + 1e-9)].sum()))
