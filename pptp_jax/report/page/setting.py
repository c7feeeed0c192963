"""What was trained, on what and how: in a few figures, as a list, and by its versions."""

from collections.abc import Mapping, Sequence
from typing import Any

from pptp_jax.attacks.title import attack_name
from pptp_jax.evaluation.results import RunResults
from pptp_jax.report.page.sentences import split
from pptp_jax.report.page.words import compact, recipe_name


def facts(results: RunResults) -> dict[str, str]:
    """The figures that are known, by name."""
    data = results.data
    found = {
        "examples": data.get("examples"),
        "classes": data.get("classes"),
        "models a recipe": results.models,
        "members each": results.members,
        "targets": results.targets,
        "recipes": len(results.rows),
        "attacks": max((len(row.attacks) for row in results.rows), default=0),
    }
    return {name: f"{fact:,}" for name, fact in found.items() if fact is not None}


def setting(results: RunResults) -> dict[str, str]:
    """What is known of how the run was set."""
    data, config = results.data, results.config
    stops, source = config.get("trajectory"), compact(config.get("data"))
    found = {
        "data": data.get("name"),
        "source": source if "(" in source else None,
        "model": compact(config["model"]) if config.get("model") else None,
        "classes": _classes(config.get("classes")),
        "members and targets": split(results),
        "recipes": "; ".join(map(recipe_name, results.rows)),
        "optimiser": compact(config["optimizer"]) if config.get("optimizer") else None,
        "batch size": config.get("batch_size"),
        "precision": results.precision,
        "augmentation": compact(config["augmentation"]) if config.get("augmentation") else None,
        "attacked at checkpoints": f"after {compact(stops)} epochs" if stops else None,
        "attacks": ", ".join(dict.fromkeys(map(attack_name, results.attacks))),
        "probes": _probes(results),
        "attack of the comparisons": attack_name(results.compared),
    }
    return {name: str(value) for name, value in found.items() if value}


def _classes(names: Sequence[str] | None) -> str | None:
    """Which class is which, where they have names."""
    return ", ".join(f"{i}: {name}" for i, name in enumerate(names)) if names else None


def _probes(results: RunResults) -> str | None:
    """The settings of the probes, if an attack depends on them."""
    depend = {*results.attacks} & {"boundary_distance", "noise"}
    return compact(results.config["probes"]) if depend and "probes" in results.config else None


def versions(record: Mapping[str, Any]) -> dict[str, str]:
    """What has to be the same to get the same numbers."""
    found = dict(record.get("versions") or {})
    found |= {
        "seed": record.get("seed"),
        "data (SHA-256)": (record.get("data") or {}).get("fingerprint"),
        "device": record.get("device"),
        "seconds": record.get("seconds"),
    }
    return {name: str(value) for name, value in found.items() if value is not None}
