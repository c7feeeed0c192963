"""The table of a run, for a terminal."""

from pptp_jax.evaluation.results import RunResults
from pptp_jax.metrics import Estimate
from pptp_jax.report.plain_text import plain_text
from pptp_jax.report.simple_table import simple_table
from pptp_jax.report.stronger_attack import stronger_attack

EXPLAINED = (
    "±: the wider side of the 95 % interval; n/a: sample too small to estimate; ~: fewer than 10 "
    "false positives allowed, imprecise"
)
COLUMNS = {
    "LOSS": ("loss", "auc"),
    "LiRA": ("lira_online", "auc"),
    "LiRA offline": ("lira_offline", "auc"),
    "RMIA": ("rmia_online", "auc"),
    "LiRA TPR@1%": ("lira_online", "tpr@0.01"),
    "TPR@0.1%": ("lira_online", "tpr@0.001"),
}

# An interval this wide, of which less than this share lies on one side of the value, is lopsided.
_WIDE, _LOPSIDED = 0.1, 0.1


def render_table(results: RunResults) -> str:
    """One line a recipe: utility, what the attacks achieve, and what has to be known of it.

    Args:
        results: of a run.

    Returns:
        The table with a heading and notes, as plain text.
    """
    data, rows = results.data, results.rows
    classes = f" in {data['classes']} classes" if data.get("classes") else ""
    columns = {
        title: place
        for title, place in COLUMNS.items()
        if any(place[0] in row.attacks for row in rows)
    }
    numbers = (f"test {results.utility_name}", *columns)
    table = simple_table(("recipe", "region", "defence", "epochs"), numbers)
    for row in rows:
        cells = [row.utility, *(row.attack(attack)[metric] for attack, metric in columns.values())]
        strength = "" if row.strength is None else f" {row.strength:g}"
        table.add_row(
            row.recipe,
            row.region,
            row.defence + strength if row.defence != "none" else "-",
            row.epochs,
            *map(cell, cells),
        )
    notes = {
        f"{row.slug}: models {list(row.diverged)} diverged and are left out"
        for row in rows
        if row.diverged
    }
    notes |= {note for row in rows for note in row.notes}
    if alike := data.get("likeness"):
        notes.add(alike["words"])
    heading = (
        f"{results.study}: {data['name']}, {data['examples']} examples{classes}; "
        f"{results.models} models a recipe, {results.members} members each, "
        f"{results.targets} targets"
    )
    explained = (
        "LOSS, LiRA, RMIA: AUC of the attack; TPR: of LiRA online at that false-positive rate; "
        + EXPLAINED
    )
    lines = [] if results.precision is None else [f"Precision {results.precision}."]
    lines += [f"warning: {warning}" for warning in warnings_of(results)]
    lines += [f"note: {note}" for note in sorted(notes)]
    return plain_text(heading, table, explained, *lines)


def render_white_box(results: RunResults) -> str:
    """LiRA on each block's gradients and features; empty if it was not measured.

    Args:
        results: of a run.
    """
    rows = [row for row in results.rows if row.white_box]
    if not rows:
        return ""
    blocks = [*next(iter(rows[0].white_box.values()))]
    table = simple_table(("white-box LiRA, AUC", "on its"), blocks)
    for row in rows:
        for kind, by_block in row.white_box.items():
            cells = (cell(found["auc"]) for found in by_block.values())
            table.add_row(row.slug, kind, *cells)
    return plain_text(table)


def warnings_of(results: RunResults) -> list[str]:
    """Why numbers say little, with the recipes each sentence holds for, and a stronger attack.

    Args:
        results: of a run; those of an older version have no warnings.

    Examples:
        >>> from pptp_jax.evaluation.results import RecipeResult
        >>> rows = [RecipeResult(slug=slug, warnings=("it is cold",)) for slug in ("a", "b")]
        >>> warnings_of(RunResults(rows=(*rows, RecipeResult(slug="c"))))
        ['a, b: it is cold']
    """
    slugs: dict[str, list[str]] = {}
    for row in results.rows:
        for warning in row.warnings:
            slugs.setdefault(warning, []).append(row.slug)
    own = [f"{', '.join(who)}: {warning}" for warning, who in slugs.items()]
    return [*own, *filter(None, [stronger_attack(results)])]


def cell(estimate: Estimate) -> str:
    """An estimate with the wider side of its interval, or with both ends of a lopsided one.

    Tied scores make a rate jump: a threshold takes all of them or none. The interval then reaches
    from the value to the end of the jump, which no ± describes.

    Examples:
        >>> cell(Estimate(0.7, 0.65, 0.73)), cell(Estimate(0.0, 0.0, 0.889))
        ('0.700 ±0.050', '0.000 [0.000, 0.889]')
    """
    value, low, high = estimate
    if value is None or low is None or high is None:
        return "n/a"
    mark = "~" if estimate.coarse else ""
    narrower = min(high - value, value - low)
    if high - low > _WIDE and narrower < _LOPSIDED * (high - low):
        return f"{mark}{value:.3f} [{low:.3f}, {high:.3f}]"
    return f"{mark}{value:.3f} ±{max(high - value, value - low):.3f}"
