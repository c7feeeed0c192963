"""Writing the page, and the same as JSON."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pptp_jax.attacks.title import attack_name
from pptp_jax.report.page import words
from pptp_jax.report.page.content import content
from pptp_jax.report.page.plot import COLOURS, DASHES, SHAPES
from pptp_jax.report.page.terms import TERMS
from pptp_jax.report.page.view import view
from pptp_jax.storage.files import write, write_json

FILTERS = (
    "attack_needs",
    "compact",
    "interval",
    "median",
    "metric_name",
    "number",
    "rate",
    "recipe_name",
    "settings",
    "short_name",
)


def write_report(directory: Path) -> Path:
    """Writes `report.html` and `report.json` from what a run has stored; nothing is trained.

    The page is one file that needs no other and no network. `report.json` has everything that it
    shows. What is not stored is left out, as long as there are results, a
    risk map or an audit by canaries.

    Args:
        directory: of a run.

    Returns:
        The path of the page.

    Raises:
        ValueError: if there is nothing to report, or a file is damaged or belongs to another run.
    """
    found = content(directory)
    page = directory / "report.html"
    html = render_page(found)
    results = found["results"]
    stored = None if results is None else results.to_json()
    write_json(directory / "report.json", {**found, "results": stored})
    write(page, lambda file: file.write(html.encode()))
    return page


def render_page(found: Mapping[str, Any]) -> str:
    """The page of what a run has stored.

    Args:
        found: what `content` gives.
    """
    environment = Environment(
        loader=PackageLoader("pptp_jax.report.page", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {name: getattr(words, name) for name in FILTERS}
    environment.filters["attack_name"] = attack_name
    environment.globals |= {"colours": COLOURS, "dashes": DASHES, "shapes_of": SHAPES}
    environment.globals["terms"] = TERMS
    return environment.get_template("report.html.jinja").render(page=view(found))
