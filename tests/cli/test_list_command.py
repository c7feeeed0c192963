"""`pptp list`."""

import json

from invoking import pptp

from pptp_jax import data, objectives, training
from pptp_jax.attacks import ATTACKS
from pptp_jax.cli.catalogue import catalogue
from pptp_jax.cli.list import SECTIONS
from pptp_jax.models import BUILDERS
from pptp_jax.regions import PARTS, PRESETS


def test_everything_is_listed() -> None:
    known = json.loads(pptp("list", "--json").stdout)
    assert tuple(known) == SECTIONS == tuple(catalogue())
    names = {section: [entry["name"] for entry in entries] for section, entries in known.items()}
    assert names["attacks"] == list(ATTACKS) and names["models"] == list(BUILDERS)
    assert names["regions"] == [*PRESETS, *PARTS]
    sources = [
        *("Digits", "Distinct", "Emails", "Npz", "Shrunk", "Table", "Text", "Tfds", "Topics"),
    ]
    assert names["data"] == sources
    assert names["tasks"] == [
        "Classification",
        "Adversarial",
        "Binary",
        "Denoising",
        "Language",
        "MultiLabel",
        "Ordinal",
        "Regression",
    ]
    # What else is public there is not of their kind.
    others = {"Context", "Objective", "PLAIN", "Reference"}
    assert {*names["objectives"]} == {*objectives.__all__} - others
    assert {"undefended", "freeze", "cwrf", "selena"} < {*names["recipes"]} < {*training.__all__}
    assert all(hasattr(data, name) for name in names["data"])
    needs = {entry["name"]: entry["needs"] for entry in known["objectives"]}
    assert needs["MixupMMD"] == ["reference examples"] and needs["Distillation"] == ["a teacher"]
    [lira] = [entry for entry in known["attacks"] if entry["name"] == "lira_online"]
    assert lira["shadows"] == "2 IN, 2 OUT" and lira["access"] == "scores"


def test_sections_are_listed_alone() -> None:
    assert list(json.loads(pptp("list", "regions", "data", "--json").stdout)) == ["regions", "data"]
    shown = pptp("list", "attacks").stdout
    assert "rmia_offline" in shown and "1 OUT" in shown and "freeze" not in shown
    names = {name for entry in catalogue()["attacks"] for name in (entry["name"], *entry["reads"])}
    assert max(map(len, shown.splitlines())) <= 80 and all(name in shown for name in names)
    assert "'atacks' is not one of" in pptp("list", "atacks").output
