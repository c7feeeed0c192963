"""The ledger of a private run: how each part of the model was treated."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

from pptp_jax.privacy.sampling import PoissonSampling, ShuffledBatches
from pptp_jax.regions import RegionMap
from pptp_jax.transforms import RegionClip
from pptp_jax.validation import Refused, given, keep_python_numbers, not_negative, one_of

STATISTICS = ("none", "frozen", "clear")


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """How a run, or one phase of it, treated each region. Omitted parts count as unknown.

    A model is private only where everything that is released is: each region, and the running
    statistics of normalisation layers, which are averages over private batches.

    Attributes:
        region_map: the model's regions.
        noised: the regions whose updates are sums of clipped examples with Gaussian noise.
        frozen: the regions that keep public values throughout, such as a random initialisation, a
            model pre-trained on public data, or what an earlier accounted phase released. A region
            that was trained in the clear before it was frozen belongs to `clear`.
        derived: the regions that learn from the other regions and from public randomness alone, and
            from no example: post-processing, which is as private as what it is made of. So is the
            generator of a GAN whose discriminator is noised.
        clear: the regions that private data move without noise.
        statistics: running statistics: `none` (the model has none), `frozen` at public values, or
            `clear`; None if unknown.
        noise_multiplier: the noise's standard deviation over the sensitivity of all noised regions
            together; None if unknown.
        sampling: how examples came into batches; None if unknown.

    Raises:
        ValueError: if a region is unknown to the map or is given two treatments, `statistics` is
            none of the words, or the noise multiplier is negative or not finite.

    Examples:
        >>> regions = RegionMap.from_rules([("stem", "protect"), ("head", "general")])
        >>> ledger = Ledger(region_map=regions, noised=("protect",), noise_multiplier=1.0)
        >>> for obstacle in ledger.obstacles:
        ...     print(obstacle)
        the treatment of region 'general' is unknown
        the treatment of the running statistics is unknown
        the sampling of the batches is unknown
    """

    region_map: RegionMap
    noised: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()
    clear: tuple[str, ...] = ()
    derived: tuple[str, ...] = ()
    statistics: Literal["none", "frozen", "clear"] | None = None
    noise_multiplier: float | None = None
    sampling: PoissonSampling | ShuffledBatches | None = None

    def __post_init__(self) -> None:
        keep_python_numbers(self)
        treated = [*self.noised, *self.frozen, *self.clear, *self.derived]
        for label in treated:
            one_of(self.region_map.names, region=label)
        twice = sorted({label for label in treated if treated.count(label) > 1})
        if twice:
            raise Refused(
                f"each region has one treatment; {', '.join(twice)} has two: noised "
                f"{self.noised}, frozen {self.frozen}, clear {self.clear}, derived {self.derived}"
            )
        not_negative(**given(noise_multiplier=self.noise_multiplier))
        if self.statistics is not None:
            one_of(STATISTICS, statistics=self.statistics)

    @classmethod
    def of(
        cls,
        clip: RegionClip,
        *,
        noise_multiplier: float,
        sampling: PoissonSampling | ShuffledBatches,
        frozen: Sequence[str] = (),
        derived: Sequence[str] = (),
        statistics: Literal["none", "frozen", "clear"] | None = None,
    ) -> Self:
        """The ledger of a run that `private_region_aggregation` updated.

        Args:
            clip: the regions that get noise; what is neither among them nor frozen is in the clear.
            noise_multiplier: that of the aggregation.
            sampling: how examples came into batches.
            frozen: the regions frozen at public values.
            derived: the regions that learn from no example.
            statistics: what became of running statistics.

        Examples:
            >>> regions = RegionMap.from_rules([("stem", "protect"), ("head", "general")])
            >>> clip = RegionClip(regions, "protect", max_norm=1.0)
            >>> sampling = PoissonSampling(rate=0.01, steps=100)
            >>> Ledger.of(clip, noise_multiplier=1.0, sampling=sampling).clear
            ('general',)
        """
        treated = {*clip.labels, *frozen, *derived}
        rest = [n for n in clip.region_map.names if n not in treated]
        return cls(
            region_map=clip.region_map,
            noised=clip.labels,
            frozen=tuple(frozen),
            clear=tuple(rest),
            derived=tuple(derived),
            statistics=statistics,
            noise_multiplier=noise_multiplier,
            sampling=sampling,
        )

    @property
    def obstacles(self) -> tuple[str, ...]:
        """Why there is no ε, one reason a line; empty if there is one."""
        treated = {*self.noised, *self.frozen, *self.clear, *self.derived}
        noise = " and ".join(map(repr, self.noised)) or "nothing"
        reasons = [
            f"region {label!r} was trained in the clear, and the noise on {noise} does not cover "
            "it: freeze it at public values or put it among the noised regions"
            for label in self.clear
        ]
        reasons += [
            f"the treatment of region {label!r} is unknown"
            for label in self.region_map.names
            if label not in treated
        ]
        if self.statistics == "clear":
            reasons.append("the running statistics are averages over private batches, in the clear")
        if self.statistics is None:
            reasons.append("the treatment of the running statistics is unknown")
        if self.noised and self.noise_multiplier is None:
            reasons.append("the noise multiplier is unknown")
        elif self.noised and self.noise_multiplier == 0:
            reasons.append("a noise multiplier of 0 adds no noise")
        if self.noised and self.sampling is None:
            reasons.append("the sampling of the batches is unknown")
        return tuple(reasons)
