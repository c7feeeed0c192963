"""What `pptp table` concludes, and how sure it is."""

import pytest

from pptp_jax.audit.table_models import MLP, NAMED
from pptp_jax.evaluation import AttackResult, RecipeResult, RunResults
from pptp_jax.metrics import UNRESOLVED, Estimate
from pptp_jax.report import render_table_verdict
from pptp_jax.report.table_verdict import LESS, table_verdict


def verdict(
    *aucs: Estimate, width: int = 100, model: str = "random_forest", warnings: tuple[str, ...] = ()
) -> str:
    names = ("lira_online", "rmia_online")
    attacks = {name: AttackResult({"auc": auc}) for name, auc in zip(names, aucs, strict=False)}
    row = RecipeResult(slug="given", recipe=model, attacks=attacks, warnings=warnings)
    about = {"compared": "lira_online", "models": 16, "data": {"name": "people.csv"}}
    return render_table_verdict(RunResults(rows=(row,), **about), width)


NEAR, ABOVE = Estimate(0.51, 0.48, 0.54), Estimate(0.6, 0.55, 0.65)


@pytest.mark.parametrize(
    ("aucs", "said", "step"),
    [
        ((ABOVE,), "Membership: LiRA gives a member the higher score in 60 % [55, 65]", "Try larg"),
        ((NEAR,), "No leak was found: LiRA gives a member the higher score in 51 %", "Check the f"),
        ((NEAR, ABOVE), "Perhaps membership: LiRA gives .* RMIA does so in 60 % [55, 65]", "Check"),
        ((UNRESOLVED,), "Nothing can be said: LiRA has no AUC on these rows.", "Check the fin"),
    ],
)
def test_what_leaks_and_what_to_do(aucs: tuple[Estimate, ...], said: str, step: str) -> None:
    text = " ".join(verdict(*aucs).split())
    assert text.startswith("What leaks ") and f"Next {step}" in text
    assert all(part in text for part in said.split(" .* "))
    assert "Note This judges a way of training: random_forest on random halves of people" in text
    assert "pptp screen looks at one alone" in text and "Mind the warnings" not in text
    assert "Mind the warnings." in " ".join(verdict(*aucs, warnings=("few",)).split())


def test_a_guess_is_named_for_each_number() -> None:
    found = {"auc": ABOVE, "tpr@0.01": Estimate(0.16, 0.12, 0.23)}
    row = RecipeResult(slug="given", attacks={"lira_online": AttackResult(found)})
    results = RunResults(rows=(row,), compared="lira_online", models=16, data={"name": "a.csv"})
    assert table_verdict(results)["What leaks"].endswith(
        "finds 16 % [12, 23] of the members at 1 % false positives. That is clearly more than a "
        "guess (50 % of pairs, 1 % of the members)."
    )
    assert "more than a guess (50 % of pairs)." in " ".join(verdict(ABOVE).split())


@pytest.mark.parametrize("width", [40, 80, 100, 200])
def test_it_fits_the_terminal(width: int) -> None:
    lines = verdict(ABOVE, width=width).splitlines()
    assert max(map(len, lines)) <= min(max(width, 80), 100)


def test_every_model_with_a_name_has_a_next_step() -> None:
    assert {*LESS} == {*NAMED, MLP}
    assert "Try a smaller or more strongly reg" in verdict(ABOVE, model="GaussianNB")
