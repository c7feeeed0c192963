"""The risk map as plain data, written and read as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from pptp_jax.evaluation.risk import ATTACK, MODIFICATIONS, Modification
from pptp_jax.locate.candidates import Region, cuts
from pptp_jax.locate.measures import Measures
from pptp_jax.metrics import Estimate


@dataclass(frozen=True, kw_only=True)
class RegionRisk:
    """The changes of a fleet's measures when one region is modified.

    Attributes:
        region: the names of the blocks, in forward order.
        parameters: the number of their weights.
        changes: for each modification, what has changed against the unmodified fleet.

    Examples:
        >>> lost = Measures(Estimate(-0.1, -0.2, 0.0), Estimate(0, 0, 0), {})
        >>> risk = RegionRisk(region=("stem",), parameters=9, changes={"graft": lost})
        >>> risk.generalisation_score("graft")
        Estimate(value=0.1, low=-0.0, high=0.2)
    """

    region: Region
    parameters: int
    changes: Mapping[Modification, Measures]

    @property
    def name(self) -> str:
        """The blocks' names in a word."""
        return "+".join(self.region)

    def privacy_score(self, modification: Modification, attack: str = ATTACK) -> Estimate:
        """The fall in the attack's AUC."""
        return _fall(self.changes[modification].auc[attack])

    def generalisation_score(self, modification: Modification) -> Estimate:
        """The fall in test accuracy."""
        return _fall(self.changes[modification].accuracy)


@dataclass(frozen=True, kw_only=True)
class RiskMap:
    """A risk map: the membership risk and the generalisation of each region.

    Attributes:
        blocks: the blocks' names in forward order.
        regions: every block, and every prefix and suffix, each with what was found.
        undefended: the fleet trained by plain cross-entropy, against which all changes are.
        defended: the fleet trained with the defence.
        gradient_norm_auc: of each block, the AUC of −‖∇_block ℓ‖ as a white-box attack.
        setting: how it was measured, as plain data.

    Examples:
        >>> from pptp_jax.locate.measures import UNKNOWN
        >>> risks = RiskMap(
        ...     blocks=("stem", "head"),
        ...     regions=tuple(
        ...         RegionRisk(region=(block,), parameters=9, changes={"graft": UNKNOWN})
        ...         for block in ("stem", "head")
        ...     ),
        ...     undefended=UNKNOWN,
        ...     defended=UNKNOWN,
        ...     gradient_norm_auc=dict.fromkeys(("stem", "head"), UNKNOWN.accuracy),
        ...     setting={"epochs": 30},
        ... )
        >>> RiskMap.from_json(risks.to_json()) == risks
        True
    """

    blocks: tuple[str, ...]
    regions: tuple[RegionRisk, ...]
    undefended: Measures
    defended: Measures
    gradient_norm_auc: Mapping[str, Estimate]
    setting: Mapping[str, Any]

    @property
    def modifications(self) -> tuple[Modification, ...]:
        """The modifications of every region."""
        return tuple(name for name in MODIFICATIONS if name in self.regions[0].changes)

    @property
    def of_blocks(self) -> tuple[RegionRisk, ...]:
        """The risks of the single blocks, in forward order."""
        return tuple(self[(block,)] for block in self.blocks)

    @property
    def of_cuts(self) -> tuple[RegionRisk, ...]:
        """The risks of the prefixes and suffixes."""
        return tuple(self[cut] for cut in cuts(self.blocks))

    def __getitem__(self, region: Region) -> RegionRisk:
        """The risk of a region.

        Raises:
            KeyError: if the map does not have it.
        """
        for risk in self.regions:
            if risk.region == region:
                return risk
        raise KeyError(region)

    def to_json(self) -> dict[str, Any]:
        """The map as plain data; an unknown number is None."""

        def block(risk: RegionRisk) -> dict[str, Any]:
            leakage = self.gradient_norm_auc[risk.name]._asdict()
            return {"name": risk.name, "gradient_norm_auc": leakage, **_region(risk)}

        return {
            "setting": dict(self.setting),
            "undefended": _measures(self.undefended),
            "defended": _measures(self.defended),
            "blocks": [block(risk) for risk in self.of_blocks],
            "cuts": [{"blocks": list(risk.region), **_region(risk)} for risk in self.of_cuts],
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """The map that `to_json` wrote down."""
        found = [((part["name"],), part) for part in record["blocks"]]
        found += [(tuple(part["blocks"]), part) for part in record["cuts"]]
        regions = {
            region: RegionRisk(
                region=region,
                parameters=part["parameters"],
                changes={name: _read(change) for name, change in part["changes"].items()},
            )
            for region, part in found
        }
        return cls(
            blocks=tuple(part["name"] for part in record["blocks"]),
            regions=tuple(regions.values()),
            undefended=_read(record["undefended"]),
            defended=_read(record["defended"]),
            gradient_norm_auc={
                part["name"]: Estimate(**part["gradient_norm_auc"]) for part in record["blocks"]
            },
            setting=record["setting"],
        )


def _fall(change: Estimate) -> Estimate:
    value, low, high = (None if number is None else -number for number in change)
    return Estimate(value, high, low)


def _region(risk: RegionRisk) -> dict[str, Any]:
    changes = {name: _measures(change) for name, change in risk.changes.items()}
    return {"parameters": risk.parameters, "changes": changes}


def _measures(found: Measures) -> dict[str, Any]:
    return {
        "accuracy": found.accuracy._asdict(),
        "loss_gap": found.loss_gap._asdict(),
        "auc": {name: estimate._asdict() for name, estimate in found.auc.items()},
    }


def _read(record: Mapping[str, Any]) -> Measures:
    return Measures(
        Estimate(**record["accuracy"]),
        Estimate(**record["loss_gap"]),
        {name: Estimate(**estimate) for name, estimate in record["auc"].items()},
    )
