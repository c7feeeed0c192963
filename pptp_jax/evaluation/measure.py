"""The utility of a task: its name, its direction, and differences of it as text."""

from typing import NamedTuple, Self

from pptp_jax.metrics import Estimate
from pptp_jax.tasks import Task

# The unit of differences between shares.
POINTS = "points more"


class Measure(NamedTuple):
    """The utility of a task: its name, and which direction is better.

    Attributes:
        name: such as `accuracy` or `bits per token`.
        higher_is_better: whether a larger number is the better one.

    Examples:
        >>> Measure().more(Estimate(0.018, 0.001, 0.041))
        '1.8 points [0.1, 4.1] more accuracy'
        >>> Measure("bits per token", higher_is_better=False).more(Estimate(0.12, 0.1, 0.15))
        '0.12 [0.1, 0.15] fewer bits per token'
    """

    name: str = "accuracy"
    higher_is_better: bool = True

    @classmethod
    def of(cls, task: Task) -> Self:
        """The measure of a task."""
        return cls(task.utility_name, task.higher_is_better)

    @property
    def sign(self) -> int:
        """1 where a larger number is the better one, else −1."""
        return 1 if self.higher_is_better else -1

    @property
    def in_points(self) -> bool:
        """Whether differences are given in points of 100, as those of a share are."""
        return self.name.endswith("accuracy")

    @property
    def gain(self) -> str:
        """The title of a column of differences, in which a positive number favours the first."""
        if self.in_points:
            return POINTS
        return f"{self.name}, {'more' if self.higher_is_better else self._less}"

    @property
    def keeps(self) -> str:
        """The verb of a sentence on a difference."""
        return "keeps" if self.higher_is_better else "has"

    @property
    def _less(self) -> str:
        first = self.name.split()[0]
        return "fewer" if first.endswith("s") and not first.endswith("ss") else "less"

    def amount(self, gain: Estimate) -> str:
        """The size of a difference, with its interval and its unit."""
        known = [x for x in gain if x is not None]
        if len(known) < 3:
            return "an unknown amount"
        # Adding 0 takes the sign off a rounded zero.
        if self.in_points:
            value, low, high = (round(100 * x, 1) + 0.0 for x in known)
            return f"{value:.1f} points [{low:.1f}, {high:.1f}]"
        value, low, high = (float(f"{x:.3g}") + 0.0 for x in known)
        return f"{value:g} [{low:g}, {high:g}]"

    def more(self, gain: Estimate, sign: int = 1) -> str:
        """A difference as text.

        Args:
            gain: how much better the first of two is.
            sign: −1 says of a loss how large it is.
        """
        return f"{self.amount(oriented(gain, sign))} {self.comparative(sign)} {self.name}"

    def comparative(self, sign: int) -> str:
        """`more`, `less` or `fewer`, of what is better (1) or worse (−1)."""
        return "more" if sign == self.sign else self._less


ACCURACY = Measure()


def oriented(estimate: Estimate, sign: int) -> Estimate:
    """An estimate times 1 or −1.

    Examples:
        >>> oriented(Estimate(1.0, 0.5, 3.0), -1)
        Estimate(value=-1.0, low=-3.0, high=-0.5)
    """
    if sign > 0 or estimate.value is None or estimate.low is None or estimate.high is None:
        return estimate
    return Estimate(-estimate.value, -estimate.high, -estimate.low)
