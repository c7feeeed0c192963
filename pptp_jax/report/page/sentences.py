"""The sentences of the page."""

from collections.abc import Mapping
from typing import Any

from pptp_jax.attacks.title import attack_name
from pptp_jax.evaluation.method import RIVALS
from pptp_jax.evaluation.results import RunResults
from pptp_jax.report.comparison import RIVALS_EXPLAINED
from pptp_jax.report.page.words import attack_shadows, interval, number, rate, recipe_name
from pptp_jax.report.stronger_attack import stronger_attack, strongest
from pptp_jax.report.table_verdict import is_table, table_verdict


def summary(results: RunResults) -> list[str]:
    """The verdict on a table; of a study the strongest attack and how comparisons came out."""
    told = []
    if warned := sum(bool(row.warnings) for row in results.rows):
        told.append(
            f"Warning: the numbers of {warned} of {len(results.rows)} recipes are unreliable; the "
            "first table gives the reasons."
        )
    if is_table(results):
        told += [f"{title}: {sentence}" for title, sentence in table_verdict(results).items()]
    elif results.rows and (attack := strongest(row := results.rows[0])) is not None:
        metrics = row.attacks[attack]
        among = f", the strongest of {len(row.attacks)} attacks," if len(row.attacks) > 1 else ""
        named = " ".join(filter(None, (attack_name(attack), attack_shadows(attack))))
        told.append(
            f"{recipe_name(row)}: {named}{among} has AUC {number(metrics.auc.value)} "
            f"({interval(metrics.auc)}); 0.5 is chance."
        )
        few = metrics["tpr@0.001"].value
        if few is not None:
            told.append(f"At 0.1 % false positives it finds {rate(few)} of the members.")
    means = [c["mean"] for c in results.comparisons if c["statistic"] == "auc"]
    if means:
        known = [mean for mean in means if mean.low is not None and mean.high is not None]
        more, less = sum(m.low > 0 for m in known), sum(m.high < 0 for m in known)
        first, second, rest = (n or "none" for n in (more, less, len(means) - more - less))
        told.append(
            f"Of {len(means)} comparisons at equal AUC, the first method wins {first}, the second "
            f"{second}; {rest} show no significant difference."
        )
    return told


def split(results: RunResults) -> str:
    """How many models and members there are, and which models are attacked.

    Examples:
        >>> split(RunResults(rows=(), models=16, members=150, targets=16))
        '16 models a recipe, 150 members each; 16 are targets, each with all others as shadows'
        >>> split(RunResults(rows=(), models=1, targets=1))
        '1 model a recipe; it is the target, without shadows'
    """
    models, members, targets = results.models, results.members, results.targets
    parts, attacked = [], ""
    if models is not None:
        parts.append(f"{models:,} model{'s' if models > 1 else ''} a recipe")
    if members is not None:
        parts.append(f"{members:,} members each")
    if targets is not None:
        if targets == models == 1:
            attacked = "; it is the target, without shadows"
        else:
            shadows = "all others as shadows" if targets == models else "the shadows"
            are = "are targets, each" if targets > 1 else "is the target,"
            attacked = f"; {targets:,} {are} with {shadows}"
    return ", ".join(parts) + attacked


def warnings(results: RunResults) -> list[str]:
    """What makes numbers unreliable: warnings, diverged models, stronger attacks, and copies."""
    told = [
        f"Warning, {recipe_name(row)}: {warning}."
        for row in results.rows
        for warning in row.warnings
    ]
    told += [
        f"{recipe_name(row)}: models {list(row.diverged)} diverged and are left out."
        for row in results.rows
        if row.diverged
    ]
    if stronger := stronger_attack(results):
        told.append(f"Warning: {stronger}.")
    if alike := results.data.get("likeness"):
        told.append(f"Data: {alike['words']}.")
    return told


def caveats(found: Mapping[str, Any]) -> list[str]:
    """The limits of the numbers."""
    results: RunResults = found["results"]
    config = results.config
    resamples = config.get("resamples")
    drawn = f" of {resamples} resamples" if resamples else ""
    told = [
        f"The 95 % intervals come from a bootstrap{drawn} over targets and examples. They cover "
        "the draw of targets and examples. They do not cover the choice of data, network or "
        "hyperparameters. Each interval holds for one number: the largest of many numbers is in "
        "part lucky.",
    ]
    if config.get("recipes"):
        told.append(
            "The attacker knows the recipe: shadows and targets have the same training and as many "
            "examples of the same data. An attacker who knows less finds less."
        )
    else:
        told.append(
            "The signals come from elsewhere. They do not show whether shadows and targets had the "
            "same training; if not, the attacks are weaker than they could be."
        )
    told.append(
        "A weak attack does not prove that nothing leaks: another attack may succeed. Only an ε is "
        "a guarantee, and only recipes with an ε beside their name have one."
    )
    counts = [counted["pairs"]["nonmembers"] for counted in found["histograms"].values()]
    if counts:
        least = min(counts)
        told.append(
            f"False-positive rates are counted over {least:,} pairs of a target and a non-member. "
            f"The smallest rate that they resolve is {rate(1 / least)}; smaller ones read n/a. "
            "Numbers with ~ allow fewer than 10 false positives and are imprecise."
        )
    if any(row.utility.value is not None for row in results.rows):
        name = results.utility_name
        told.append(f"The test {name} is measured on the non-members of each target.")
    if results.comparisons:
        told.append(
            "Comparisons choose the best settings of both methods on the examples of the "
            "measurement, which favours a method with many settings."
        )
    if any(pair["b"] == RIVALS for pair in results.comparisons):
        told.append(RIVALS_EXPLAINED)
    return told


def canaries(audit: Mapping[str, Any]) -> list[str]:
    """The setting of an audit by canaries, and what its bounds on ε prove."""
    level = f"{100 * audit['confidence']:g} %"
    if "secrets" in audit:
        planted = (
            f"The audit adds {audit['canaries']} canaries (records with a random secret) to the "
            f"text, {audit['places']:,} records with all repetitions. The bounds use the canaries "
            "with one repetition."
        )
    elif audit.get("gradients"):
        planted = (
            f"{audit['canaries']} of {audit['places']:,} examples are canaries: their gradient has "
            "the clipping norm along one weight. The attacker sees every noisy gradient."
        )
    else:
        planted = f"{audit['canaries']} of {audit['places']:,} examples have wrong labels."
    told = [
        f"{planted} In each of the {audit['runs']} runs of a recipe a fair coin decides whether a "
        f"canary is present, and the auditor guesses which are. Bounds are at "
        f"δ = {audit['delta']:.2g}; each bound holds with {level} confidence.",
        "A lower bound proves that at least this much leaks. A small bound does not prove that "
        "little leaks: other canaries or another score may find more. A bound above the accounted "
        "ε is evidence of an error in the training, the accounting or the audit.",
    ]
    return told + [
        f"{row['slug']}: runs {row['diverged']} diverged and are left out."
        for row in audit["rows"]
        if row["diverged"]
    ]


def risk_map(results: RunResults | None, risks: Mapping[str, Any]) -> list[str]:
    """The setting of a risk map, and its choice of a region."""
    setting = risks["setting"]
    strength = "" if setting["strength"] is None else f" {setting['strength']:g}"
    told = [
        f"{setting['models']} models of {setting['members']} members each, trained for "
        f"{setting['epochs']} epochs; the defence is {setting['defence']}{strength}. Each block "
        "in turn is changed, and the accuracy and the attack are measured again."
    ]
    if explanation := risks.get("auto", {}).get("explanation"):
        told.append(f"The region “auto”: {explanation}")
    ours, its = (
        data.get("fingerprint") for data in (results.data if results else {}, risks.get("data", {}))
    )
    if ours is not None and its is not None and ours != its:
        told.append("The risk map was made on other data than the rest of this page.")
    return told
