"""The result of comparing two curves, with a verdict in one sentence."""

from dataclasses import dataclass
from typing import Any

from pptp_jax.evaluation.measure import ACCURACY, Measure, oriented
from pptp_jax.metrics import Estimate


@dataclass(frozen=True, kw_only=True)
class MatchedComparison:
    """The gain in utility of curve a over curve b at equal attack strength, by `matched_utility`.

    Attributes:
        a: the name of the first curve.
        b: the name of the second.
        statistic: that measures attack strength.
        attack: its name in the verdict.
        measure: what the utility is.
        ranges: the strengths between which each frontier lies.
        strengths: where the differences are taken, in the sample itself.
        differences: by how much a is the better one, one a strength.
        mean: the mean difference over the common range: the area between the curves over its width.
        best: the difference between the best utilities, at whatever strength.
        resamples: how many there were.
        overlapping: in how many of them the ranges overlap.
    """

    a: str
    b: str
    statistic: str
    attack: str
    measure: Measure = ACCURACY
    ranges: tuple[tuple[float, float], tuple[float, float]]
    strengths: tuple[float, ...]
    differences: tuple[Estimate, ...]
    mean: Estimate
    best: Estimate
    resamples: int
    overlapping: int

    @property
    def common(self) -> tuple[float, float] | None:
        """The strengths that both frontiers reach, None if there are none."""
        (low_a, high_a), (low_b, high_b) = self.ranges
        low, high = max(low_a, low_b), min(high_a, high_b)
        return (low, high) if low <= high else None

    @property
    def verdict(self) -> str:
        """One sentence: which is better, that neither is, or why they are not comparable."""
        return _verdict(self)

    def to_json(self) -> dict[str, Any]:
        """Everything, with the verdict."""
        return {
            "a": self.a,
            "b": self.b,
            "statistic": self.statistic,
            "attack": self.attack,
            "gain": self.measure.gain,
            "ranges": [list(ends) for ends in self.ranges],
            "common": None if self.common is None else list(self.common),
            "differences": [
                {"strength": strength, **difference._asdict()}
                for strength, difference in zip(self.strengths, self.differences, strict=True)
            ],
            "mean": self.mean._asdict(),
            "best": self.best._asdict(),
            "resamples": self.resamples,
            "overlapping": self.overlapping,
            "verdict": self.verdict,
        }


def _verdict(matched: MatchedComparison) -> str:
    a, b, measure = matched.a, matched.b, matched.measure
    scale = f"{matched.attack} {statistic_name(matched.statistic)}"
    if matched.common is None:
        return _apart(matched, scale)
    span = f"At equal {scale} ({_ends(matched.common)})"
    if matched.mean.value is None:
        return (
            f"{span} {a} and {b} are not comparable: their ranges overlap in only "
            f"{matched.overlapping} of {matched.resamples} resamples."
        )
    sign = _sign(matched.mean)
    if sign == 0:
        found = f"{span} {a} and {b} do not differ significantly: {measure.amount(matched.mean)}"
    else:
        found = f"{span} {a} {measure.keeps} {measure.more(matched.mean, sign)} than {b}"
    return found + _exceptions(matched, sign) + "."


def _apart(matched: MatchedComparison, scale: str) -> str:
    (a_range, b_range), sign = matched.ranges, _sign(matched.best)
    spans = f"{_ends(a_range)} and {_ends(b_range)}"
    sentence = (
        f"{matched.a} and {matched.b} cannot be compared at equal {scale}: "
        f"their ranges do not overlap ({spans})"
    )
    if sign == (1 if a_range[1] < b_range[0] else -1):
        better, worse = (matched.a, matched.b) if sign > 0 else (matched.b, matched.a)
        measure = matched.measure
        best = measure.amount(oriented(matched.best, sign))
        sentence += (
            f"; but {better} dominates {worse}: at its best it {measure.keeps} {best} "
            f"{measure.comparative(1)} {measure.name} at a lower {scale}"
        )
    return sentence + "."


def _exceptions(matched: MatchedComparison, sign: int) -> str:
    """The strengths at which a significant difference has another sign than the mean."""
    measure = matched.measure
    exceptions = [
        f"{measure.amount(oriented(difference, other))} {measure.comparative(other)} at "
        f"{_strength(strength)}"
        for strength, difference in zip(matched.strengths, matched.differences, strict=True)
        if (other := _sign(difference)) not in (0, sign)
    ]
    return f" (but not everywhere: {', '.join(exceptions)})" if exceptions else ""


def _sign(estimate: Estimate) -> int:
    """1 or -1 where the interval excludes zero, else 0."""
    if estimate.low is None or estimate.high is None:
        return 0
    return int(estimate.low > 0) - int(estimate.high < 0)


def _ends(span: tuple[float, float]) -> str:
    return " to ".join(map(_strength, span))


def _strength(value: float) -> str:
    # Rates at a low false-positive rate need more digits than areas.
    return f"{value:.{3 if value >= 0.1 else 4}f}".removeprefix("0")


def statistic_name(name: str) -> str:
    """A statistic of an attack, as readers call it.

    Examples:
        >>> statistic_name("auc"), statistic_name("tpr@0.001")
        ('AUC', 'TPR at 0.1 % FPR')
    """
    if name.startswith("tpr@"):
        return f"TPR at {100 * float(name.removeprefix('tpr@')):g} % FPR"
    return {"auc": "AUC"}.get(name, name.replace("_", " "))
