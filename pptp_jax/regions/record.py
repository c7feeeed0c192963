"""Comparing regions with those that were stored."""

import json
from collections.abc import Mapping
from typing import Any

from pptp_jax.regions.region_map import RegionMap
from pptp_jax.regions.weight_map import WeightMap
from pptp_jax.validation import Refused


def check_record(regions: RegionMap | WeightMap, record: Mapping[str, Any]) -> None:
    """Refuses to go on with other regions than those that a checkpoint or result was made with.

    Args:
        regions: the regions now.
        record: what `to_json` gave then, as it came back from JSON.

    Raises:
        ValueError: showing both sides, if they differ.

    Examples:
        >>> regions = RegionMap.from_rules([("stem/.*", "protect"), (".*", "general")])
        >>> check_record(regions, regions.to_json())
        >>> check_record(regions, RegionMap.from_rules([(".*", "general")]).to_json())
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: the regions are not those of the record
        now:    {"kind": "rules", "rules": [["stem/.*", "protect"], [".*", "general"]]}
        record: {"kind": "rules", "rules": [[".*", "general"]]}
    """
    now, then = regions.to_json(), dict(record)
    if now != then:
        raise Refused(
            "the regions are not those of the record\n"
            f"now:    {json.dumps(now)}\nrecord: {json.dumps(then)}"
        )
