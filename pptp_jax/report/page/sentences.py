"""What the page says in words."""

from collections.abc import Mapping
from typing import Any

from pptp_jax.evaluation.method import RIVALS
from pptp_jax.evaluation.results import RecipeResult, RunResults
from pptp_jax.report.comparison import RIVALS_EXPLAINED
from pptp_jax.report.page.words import attack_name, interval, number, rate, recipe_name


def strongest(row: RecipeResult) -> str | None:
    """The attack with the largest AUC on a recipe; None if none is known.

    Examples:
        >>> from pptp_jax.evaluation.results import AttackResult
        >>> from pptp_jax.metrics import Estimate
        >>> known = AttackResult({"auc": Estimate(0.6, 0.5, 0.7)})
        >>> found = {"loss": known, "rmia": AttackResult()}
        >>> strongest(RecipeResult(slug="x", attacks=found))
        'loss'
    """
    known = {
        attack: found.auc.value
        for attack, found in row.attacks.items()
        if found.auc.value is not None
    }
    return max(known, key=lambda attack: known[attack], default=None)


def summary(results: RunResults) -> list[str]:
    """The page in a few sentences."""
    told = []
    if warned := sum(bool(row.warnings) for row in results.rows):
        told.append(
            f"Warning: for {warned} of {len(results.rows)} recipes the numbers say little; "
            "the notes below the table say why."
        )
    if results.rows and (attack := strongest(row := results.rows[0])) is not None:
        metrics = row.attacks[attack]
        among = f" of {len(row.attacks)} attacks" if len(row.attacks) > 1 else ""
        told.append(
            f"On {recipe_name(row)} the strongest{among} is {attack_name(attack)}: its AUC is "
            f"{number(metrics.auc.value)} ({interval(metrics.auc)}), where 0.5 is chance."
        )
        few = metrics["tpr@0.001"].value
        if few is not None:
            told.append(
                f"Where it accuses one non-member in a thousand wrongly, it finds {rate(few)} of "
                "the members."
            )
    means = [c["mean"] for c in results.comparisons if c["statistic"] == "auc"]
    if means:
        known = [mean for mean in means if mean.low is not None and mean.high is not None]
        more, less = sum(m.low > 0 for m in known), sum(m.high < 0 for m in known)
        first, second, rest = (n or "none" for n in (more, less, len(means) - more - less))
        told.append(
            f"Of {len(means)} comparisons of two methods at equal AUC, {first} came out for the "
            f"first, {second} for the second, and {rest} show no significant difference."
        )
    return told


def split(results: RunResults) -> str:
    """Who is a member of what, and who is attacked.

    Examples:
        >>> split(RunResults(rows=(), models=16, members=150, targets=16))
        '16 models a recipe, ..., 16 of them attacked in turn, with all the others as its shadows'
        >>> split(RunResults(rows=(), models=1, targets=1))
        '1 model a recipe, attacked without shadows'
    """
    models, members, targets = results.models, results.members, results.targets
    parts = []
    if models is not None:
        parts.append(f"{models:,} model{'s' if models > 1 else ''} a recipe")
    if members is not None:
        parts.append(f"{members:,} members each")
    if targets is not None:
        if targets == models == 1:
            parts.append("attacked without shadows")
        else:
            helped = "all the others as its" if targets == models else "the"
            parts.append(f"{targets:,} of them attacked in turn, with {helped} shadows")
    return ", ".join(parts)


def notes(results: RunResults) -> list[str]:
    """What has to be known of single rows, the most important first."""
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
    if alike := results.data.get("likeness"):
        told.append(f"Of the data: {alike['words']}.")
    return told + sorted({note for row in results.rows for note in row.notes})


def caveats(found: Mapping[str, Any]) -> list[str]:
    """What the numbers do not say."""
    results: RunResults = found["results"]
    config = results.config
    resamples = config.get("resamples")
    drawn = f" of {resamples} resamples" if resamples else ""
    told = [
        f"Intervals hold 95 % each and come from a bootstrap{drawn} over targets and examples. "
        "They cover the draw of these. They do not cover the choice of the data, of the network or "
        "of hyperparameters, and they hold for each number by itself, not for all at once: the "
        "largest of many is large in part by luck.",
    ]
    if config.get("recipes"):
        told.append(
            "The attacker knows the recipe: the shadows were trained as the targets were, on as "
            "many examples of the same data. An attacker who knows less achieves less."
        )
    else:
        told.append(
            "The signals come from elsewhere. They do not show whether the shadows were trained as "
            "the targets were; if not, the attacks are weaker than they could be."
        )
    told.append(
        "No attack that fails proves that nothing leaks: another may succeed. A guarantee is an ε, "
        "and only recipes with one beside their name have it."
    )
    counts = [counted["pairs"]["nonmembers"] for counted in found["histograms"].values()]
    if counts:
        least = min(counts)
        told.append(
            f"Rates are counted over {least:,} pairs of a target and a non-member. So few cannot "
            f"resolve a false-positive rate below {rate(1 / least)}: what asks for one reads n/a. "
            "What is marked ~ hangs on less than ten pairs and is hardly more than a hint."
        )
    if any(row.utility.value is not None for row in results.rows):
        name = results.utility_name
        told.append(f"The test {name} is that on the targets' non-members.")
    if results.comparisons:
        told.append(
            "Comparisons choose the best settings of both methods on the examples that they are "
            "measured on, which flatters a method with many settings."
        )
    if any(pair["b"] == RIVALS for pair in results.comparisons):
        told.append(RIVALS_EXPLAINED)
    return told


def canaries(audit: Mapping[str, Any]) -> list[str]:
    """What the bounds on ε stand on."""
    level = f"{100 * audit['confidence']:g} %"
    if "secrets" in audit:
        planted = (
            f"{audit['canaries']} canaries, records with a random secret, were added to the text; "
            f"with all repetitions there are {audit['places']:,} records. The bounds rest on the "
            "canaries of one repetition."
        )
    elif audit.get("gradients"):
        planted = (
            f"{audit['canaries']} of {audit['places']:,} places have a gradient of the clipping "
            "norm along one weight; the attacker sees every noisy gradient of the training."
        )
    else:
        planted = f"{audit['canaries']} of {audit['places']:,} examples have wrong labels."
    told = [
        f"{planted} In each of {audit['runs']} runs a recipe, each of these canaries is present by "
        f"a fair coin; the auditor guesses which were. Bounds are at δ = {audit['delta']:.2g}, and "
        f"each by itself holds with {level} confidence.",
        "A bound from below says that at least so much leaks. That it is small does not say that "
        "little leaks: other canaries or another score may find more. One above the accounted ε is "
        "evidence of a fault in the training, the accounting or the audit.",
    ]
    return told + [
        f"{row['slug']}: runs {row['diverged']} diverged and are left out."
        for row in audit["rows"]
        if row["diverged"]
    ]


def risk_map(results: RunResults | None, risks: Mapping[str, Any]) -> list[str]:
    """What the risk map stands on, and what follows from it."""
    setting = risks["setting"]
    strength = "" if setting["strength"] is None else f" {setting['strength']:g}"
    told = [
        f"{setting['models']} models of {setting['members']} members each, trained for "
        f"{setting['epochs']} epochs; the defence is {setting['defence']}{strength}. One block "
        "after the other is changed, and the accuracy and the attack are measured again."
    ]
    if explanation := risks.get("auto", {}).get("explanation"):
        told.append(f"The region “auto”: {explanation}")
    ours, its = (
        data.get("fingerprint") for data in (results.data if results else {}, risks.get("data", {}))
    )
    if ours is not None and its is not None and ours != its:
        told.append("It was made on other data than the rest of this page.")
    return told
