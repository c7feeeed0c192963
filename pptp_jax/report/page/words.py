"""Names and numbers as a reader wants them."""

from collections.abc import Mapping, Sequence
from statistics import median as middle
from typing import Any

from pptp_jax.attacks.title import known_attack
from pptp_jax.evaluation.results import RecipeResult
from pptp_jax.metrics import Estimate

METRICS = {"auc": "AUC", "balanced_accuracy": "balanced accuracy"}
RATES = {"tpr": "TPR at {} % FPR", "tnr": "TNR at {} % FNR"}


def attack_needs(attack: str) -> str:
    """What an attacker needs for an attack: of the target, and the fewest shadows.

    Examples:
        >>> attack_needs("lira_online")
        'scores; needs at least 2 IN and 2 OUT shadows'
        >>> attack_needs("shadow_network")
        'scores; needs at least 1 shadow'
        >>> attack_needs("loss"), attack_needs("my_own")
        ('scores', '')
    """
    known = known_attack(attack)
    if known is None:
        return ""
    sides = (known.min_in_shadows, "IN"), (known.min_out_shadows, "OUT")
    needed = " and ".join(f"{count} {side}" for count, side in sides if count)
    fewest = max(known.min_in_shadows + known.min_out_shadows, known.min_shadows)
    if not fewest:
        return known.access
    return f"{known.access}; needs at least {needed or fewest} shadow{'s' * (fewest > 1)}"


def shadow_counts(found: Mapping[str, Sequence[int]]) -> str:
    """The shadows that there are, from the fewest and the most of each side; empty if unknown.

    Examples:
        >>> shadow_counts({"IN": [7, 8], "OUT": [8, 8]}), shadow_counts({})
        ('Here each example has 7 to 8 IN and 8 OUT shadows.', '')
    """
    sides = (
        f"{least} {name}" if least == most else f"{least} to {most} {name}"
        for name, (least, most) in found.items()
    )
    return f"Here each example has {' and '.join(sides)} shadows." if found else ""


def attack_shadows(attack: str) -> str:
    """The shadows that an attack needs, as readers say it.

    Examples:
        >>> attack_shadows("lira_online"), attack_shadows("lira_offline"), attack_shadows("loss")
        ('with IN and OUT shadows', 'with OUT shadows only', 'without shadows')
        >>> attack_shadows("shadow_network"), attack_shadows("my_own")
        ('with shadows', '')
    """
    known = known_attack(attack)
    if known is None:
        return ""
    sides = ("IN", known.min_in_shadows), ("OUT", known.min_out_shadows)
    needed = [side for side, count in sides if count]
    if len(needed) == 2:
        return "with IN and OUT shadows"
    if needed:
        return f"with {needed[0]} shadows only"
    return "with shadows" if known.min_shadows else "without shadows"


def metric_name(metric: str) -> str:
    r"""A metric's name, with its rate where it has one.

    Examples:
        >>> metric_name("tpr@0.01"), metric_name("balanced_accuracy"), metric_name("auc")
        ('TPR at 1\xa0% FPR', 'balanced accuracy', 'AUC')
        >>> metric_name("ppv@prior0.1@fpr0.001")
        'PPV at 10\xa0% members, 0.1\xa0% FPR'
    """
    kind, *rates = metric.split("@")
    if kind in RATES and rates:
        name = RATES[kind].format(_percent(rates[0]))
    elif kind == "ppv" and len(rates) == 2:
        prior, fpr = (r.removeprefix("prior").removeprefix("fpr") for r in rates)
        name = f"PPV at {_percent(prior)} % members, {_percent(fpr)} % FPR"
    else:
        name = METRICS.get(metric, metric.replace("_", " "))
    return name.replace(" %", "\N{NO-BREAK SPACE}%")


def _percent(rate: str) -> str:
    return f"{100 * float(rate):g}"


def recipe_name(row: RecipeResult) -> str:
    """A recipe's name with its region, and what tells it from its like.

    Examples:
        >>> from dataclasses import replace
        >>> row = RecipeResult(slug="x", recipe="freeze", region="stem", epochs="1+2")
        >>> recipe_name(replace(row, defence="relaxloss", strength=0.5))
        'freeze stem (relaxloss 0.5), 1+2 epochs'
        >>> recipe_name(replace(row, release="order_only", epochs="-"))
        'freeze stem (+ order only)'
        >>> recipe_name(RecipeResult(slug="from_torch"))
        'from torch'
    """
    name = " ".join(filter(None, (short_name(row), _defence(row))))
    return f"{name}, {epochs}" if (epochs := _epochs(row)) else name


def short_name(row: RecipeResult) -> str:
    """A recipe's name with its region."""
    name = (row.recipe or row.slug).replace("_", " ")
    return f"{name} {row.region}" if row.region != "-" else name


def settings(row: RecipeResult) -> str:
    """Defence, epochs and ε of a recipe.

    Examples:
        >>> settings(RecipeResult(slug="x", defence="hamp", epochs="3"))
        'hamp, 3 epochs'
        >>> settings(RecipeResult(slug="x", epochs="2", epsilon={"epsilon": 1.1357}))
        '2 epochs, ε = 1.14'
    """
    guarantee = f"ε = {row.epsilon['epsilon']:.3g}" if row.epsilon else ""
    return ", ".join(filter(None, (_defence(row).strip("()"), _epochs(row), guarantee)))


def _epochs(row: RecipeResult) -> str:
    return "" if row.epochs == "-" else f"{row.epochs} epochs"


def _defence(row: RecipeResult) -> str:
    """Defence, strength and release of a recipe, in brackets."""
    parts = [] if row.defence == "none" else [row.defence]
    parts += [] if row.strength is None else [f"{row.strength:g}"]
    parts += [f"+ {row.release.replace('_', ' ')}"] if row.release else []
    return f"({' '.join(parts)})" if parts else ""


def median(values: Sequence[float]) -> float:
    """The middle of some numbers.

    Examples:
        >>> median([3.0, 1.0, 2.0])
        2.0
    """
    return float(middle(values))


def number(value: float | None, digits: int = 3, sign: str = "") -> str:
    """A number with a fixed count of digits, and a true minus.

    Examples:
        >>> number(-0.0123), number(None), number(0.5, 1, "+")
        ('−0.012', 'n/a', '+0.5')
    """
    return "n/a" if value is None else f"{value:{sign}.{digits}f}".replace("-", "−")


def interval(estimate: Estimate, digits: int = 3, sign: str = "") -> str:
    """An estimate's interval; empty if nothing is known.

    Examples:
        >>> interval(Estimate(0.5, 0.41, 0.6))
        '0.410 to 0.600'
    """
    _, low, high = estimate
    if low is None or high is None:
        return ""
    return f"{number(low, digits, sign)} to {number(high, digits, sign)}"


def rate(value: float) -> str:
    """A rate in per cent, with two figures that count.

    Examples:
        >>> rate(0.00123), rate(0.5), rate(1.0)
        ('0.12 %', '50 %', '100 %')
    """
    return f"{float(f'{100 * value:.2g}'):g} %"


def compact(config: Any) -> str:
    """A configuration in a line, as one would write it.

    Examples:
        >>> compact({"type": "Balanced", "models": 4}), compact([1, None]), compact({})
        ('Balanced(models=4)', '1, None', '-')
    """
    if isinstance(config, Mapping):
        name = config.get("type", config.get("name", ""))
        rest = {k: v for k, v in config.items() if k != ("type" if "type" in config else "name")}
        inside = ", ".join(f"{key}={_nested(value)}" for key, value in rest.items())
        return f"{name}({inside})" if inside else str(name or "-")
    if isinstance(config, list | tuple):
        return ", ".join(map(_nested, config)) or "-"
    return str(config)


def _nested(value: Any) -> str:
    return f"[{compact(value)}]" if isinstance(value, list | tuple) and value else compact(value)
