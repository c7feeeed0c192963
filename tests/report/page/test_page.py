"""The page and its JSON, from stored results alone."""

import base64
import json
import re
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from stored_run import EXAMPLES, MEMBERSHIP, NASTY, write_run

from pptp_jax.evaluation.results import RunResults
from pptp_jax.metrics import auc, roc, tpr_at_fpr
from pptp_jax.report import write_report
from pptp_jax.report.page.terms import TERMS

VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """The page as a browser nests it: tags, attributes, and the text of each cell."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, self.getpos()

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text.append(data.strip())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "out"
    write_run(out, {"undefended": 2.0, "freeze": 0.3})
    write_report(out)
    return out


def page_of(directory: Path) -> Page:
    return Page((directory / "report.html").read_text())


def test_everything_is_there_once(run: Path) -> None:
    page = page_of(run)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert ids == [
        "setting", "table", "curves", "comparisons", "rocs", "scores", "attacks", "combined",
        "found", "white-box", "riskiest", "caveats", "again",
    ]  # fmt: skip
    links = [a["href"] for a in page.all("a")]
    assert links == [f"#{id}" for id in ids]
    assert all(count == 1 for count in Counter(ids).values())
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == 1
    assert len([a for a in page.all("p") if a.get("class") == "lead"]) == len(ids)
    assert len(page.all("caption")) == len(page.all("table")) > 4
    for figure in page.all("svg"):
        assert figure.get("aria-label") or figure.get("aria-hidden") == "true"
    assert all(picture["alt"] for picture in page.all("img"))


def test_attacks_together_stand_apart_from_the_attacks(run: Path) -> None:
    rows = json.loads((run / "results.json").read_text())["rows"]
    page = page_of(run)
    text = " ".join(page.text)
    labels = [figure.get("aria-label") or "" for figure in page.all("svg")]
    shown = [label for label in labels if "the share of members by probability" in label]
    for row, label in zip(rows, shown, strict=True):
        found, gain = row["combined"], row["combined"]["gains"]["lira_online"]["auc"]
        assert "combined" not in row["attacks"]
        for one, sign in (
            (found["metrics"]["auc"], ""),
            (gain, "+"),
            (found["brier"]["score"], ""),
        ):
            assert f"{one['value']:{sign}.3f}".replace("-", "−") in text
        for one in found["reliability"]:
            members, mean = one["members"]["value"], one["probability"]
            assert f"{mean:.2f} on average: {members:.2f} are members" in label


def test_a_run_whose_attacks_were_not_combined_has_no_such_section(tmp_path: Path) -> None:
    write_run(tmp_path, {"undefended": 2.0})
    results = json.loads((tmp_path / "results.json").read_text())
    for row in results["rows"]:
        row["combined"] = None
    (tmp_path / "results.json").write_text(json.dumps(results))
    write_report(tmp_path)
    assert "All attacks combined" not in (tmp_path / "report.html").read_text()


def test_the_numbers_are_those_of_the_results(run: Path) -> None:
    rows = json.loads((run / "results.json").read_text())["rows"]
    text = " ".join(page_of(run).text)
    for row in rows:
        for found in (row["utility"], row["attacks"]["loss"]["auc"]):
            assert f"{found['value']:.3f} {found['low']:.3f} to {found['high']:.3f}" in text
    # Of 800 pairs none is as rare as 1 in 10,000; one in a thousand is not even one pair.
    assert rows[0]["attacks"]["loss"]["tpr@0.001"]["value"] is None and "n/a" in text


def test_many_notes_are_folded_and_warnings_are_not(tmp_path: Path) -> None:
    results = write_run(tmp_path, {"undefended": 1.0})
    for count, folded in ((5, False), (6, True)):
        results["rows"][0]["notes"] = [f"note {i}" for i in range(count)]
        results["rows"][0]["warnings"] = ["it is cold"]
        (tmp_path / "results.json").write_text(json.dumps(results))
        html = write_report(tmp_path).read_text()
        assert f"<details{'' if folded else ' open'}><summary>Notes: " in html
        before, after = html.split("<summary>Notes: ")
        assert "it is cold" in before and after.count("<li>note ") == count


def test_no_text_becomes_markup(run: Path) -> None:
    html = (run / "report.html").read_text()
    assert NASTY not in html and "<script" not in html
    assert sum(NASTY in text for text in page_of(run).text) > 10


def test_the_page_needs_nothing_else(run: Path) -> None:
    page = page_of(run)
    assert {tag for tag, _ in page.tags} & {"script", "iframe", "object", "embed"} == set()
    for _, attributes in page.tags:
        for name in ("src", "href"):
            assert attributes.get(name, "#").startswith(("#", "data:"))  # type: ignore[union-attr]
    html = (run / "report.html").read_text()
    assert "url(" not in html and "@import" not in html and "http:" not in html
    [policy] = [m["content"] for m in page.all("meta") if "http-equiv" in m]
    assert policy.startswith("default-src 'none'")


def test_the_json_has_what_the_page_shows(run: Path) -> None:
    found = json.loads((run / "report.json").read_text())
    stored = json.loads((run / "results.json").read_text())
    assert found["results"] == RunResults.from_json(stored).to_json()
    assert found["results"]["comparisons"] == stored["comparisons"]
    assert set(found["rocs"]["undefended"]) == {"lira_online", "loss"}
    assert set(found["rocs"]["freeze"]) == {"lira_online"}
    with np.load(run / "scores" / "freeze.npz") as stored:
        curve = roc(stored["lira_online"], stored["membership"])
    thinned = found["rocs"]["freeze"]["lira_online"]
    assert thinned["fpr"][0] == pytest.approx(1 / (~MEMBERSHIP.matrix).sum())
    for fpr, tpr in zip(thinned["fpr"], thinned["tpr"], strict=True):
        assert tpr == pytest.approx(tpr_at_fpr(curve, min(fpr, 1.0)))
    for counted in found["histograms"].values():
        for kind in ("members", "nonmembers"):
            assert sum(counted[kind]) == pytest.approx(1)
            assert counted["pairs"][kind] == 2 * EXAMPLES
    records = found["riskiest"]["undefended"]
    assert len(records) == 10 and len(records[0]["targets"]) == 4
    kind, picture = records[0]["picture"].split(",")
    assert kind == "data:image/png;base64"
    with Image.open(BytesIO(base64.b64decode(picture))) as opened:
        assert opened.size == (6, 6)
        pixels = np.asarray(opened.convert("RGB"))[..., :1]
    with np.load(run / "riskiest.npz") as stored:
        np.testing.assert_array_equal(pixels, stored["pictures"][0, 0])


def test_the_shadows_that_an_attack_needs_are_not_those_that_there_were(run: Path) -> None:
    text = " ".join(page_of(run).text)
    assert "needs at least 2 IN and 2 OUT shadows" in text
    assert "Here each example has 1 to 2 IN and 1 to 2 OUT shadows." in text
    found = json.loads((run / "report.json").read_text())
    assert found["shadows"] == {"IN": [1, 2], "OUT": [1, 2]}


def test_shadows_are_not_counted_where_some_models_are_no_targets(tmp_path: Path) -> None:
    stored = write_run(tmp_path, {"undefended": 1.0})
    (tmp_path / "results.json").write_text(json.dumps(stored | {"models": 9}))
    write_report(tmp_path)
    assert "Here each example" not in (tmp_path / "report.html").read_text()


def test_the_sentence_of_a_record_and_every_term_are_in_plain_words(run: Path) -> None:
    text = page_of(run).text
    sentences = [part for part in text if part.startswith("Non-members that score as high: ")]
    assert len(sentences) == 20
    share = r"[\d.]+\s% in models"
    assert re.fullmatch(rf"[^:]*: {share} trained on it, {share} not trained on it", sentences[0])
    assert set(TERMS) <= set(text)


def test_the_glossary_has_every_term_of_the_page() -> None:
    glossary = (Path(__file__).parents[3] / "docs" / "glossary.md").read_text(encoding="utf-8")
    terms = ", ".join(TERMS).replace("\N{NO-BREAK SPACE}", " ").split(", ")
    assert [term for term in terms if term not in glossary] == []


def test_many_attacks_and_recipes_stay_small_and_readable(tmp_path: Path) -> None:
    write_run(tmp_path, {f"recipe{i}": i / 10 for i in range(10)}, attacks=25, images=False)
    path = write_report(tmp_path)
    assert path.stat().st_size < 2e6
    page = page_of(tmp_path)
    assert not page.all("img")
    # The first table: six recipes' rows, and no column for each of 25 attacks.
    headings = [a for a in page.all("th") if a.get("scope") == "col"]
    text = page.text
    first = text.index("test accuracy")
    assert "largest AUC of 25 attacks" in text[first : first + 12]
    assert len(headings) > 25
    # No picture has more lines than a reader can tell apart.
    legends = (path.read_text().split('<ul class="legend">'))[1:]
    assert max(legend.split("</ul>")[0].count("<li") for legend in legends) <= 8


def test_a_record_without_training_is_enough(tmp_path: Path) -> None:
    """As an audit of somebody else's signals leaves it."""
    results = write_run(tmp_path, {"from_torch": 1.0})
    [row] = results["rows"]
    bare = {"study": "audit", "rows": [{"slug": row["slug"], "attacks": row["attacks"]}]}
    (tmp_path / "results.json").write_text(json.dumps(bare | {"compared": "lira_online"}))
    with np.load(tmp_path / "riskiest.npz") as stored:
        kept = str(stored["ids"][0, 0])
    (tmp_path / "riskiest.npz").unlink()
    write_report(tmp_path)
    page = page_of(tmp_path)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert ids == ["setting", "table", "rocs", "scores", "attacks", "riskiest", "caveats"]
    [name, *_] = [text for text in page.text if text.startswith("example ")]
    assert name == f"example {kept.removeprefix(NASTY + '/')}"
    assert any("signals come from elsewhere" in text for text in page.text)


def test_the_risk_map_joins_the_page_and_stands_alone(
    tmp_path: Path, risk_record: Callable[[int], dict[str, Any]]
) -> None:
    risks = risk_record(5)
    risks["auto"]["explanation"] = NASTY
    (tmp_path / "risk_map.json").write_text(json.dumps(risks))
    write_report(tmp_path)
    page = page_of(tmp_path)
    assert [a["id"] for _, a in page.tags if "id" in a] == ["risk-map"]
    # Both falls of five blocks under four modifications, but for the one that is not known.
    assert len(page.all("rect")) == 2 * (5 * 4 - 1)
    assert any(NASTY in text for text in page.text)
    write_run(tmp_path, {"undefended": 1.0})
    write_report(tmp_path)
    assert [a["id"] for _, a in page_of(tmp_path).tags if "id" in a][-3:] == [
        "risk-map",
        "caveats",
        "again",
    ]


def test_a_map_of_other_data_is_marked(
    tmp_path: Path, risk_record: Callable[[int], dict[str, Any]]
) -> None:
    write_run(tmp_path, {"undefended": 1.0})
    for fingerprint, told in (("f" * 64, False), ("0" * 64, True)):
        risks = risk_record(2) | {"data": {"fingerprint": fingerprint}}
        (tmp_path / "risk_map.json").write_text(json.dumps(risks))
        write_report(tmp_path)
        assert ("made on other data" in (tmp_path / "report.html").read_text()) == told


def test_infinite_scores_are_ranked_and_not_written(tmp_path: Path) -> None:
    results = write_run(tmp_path, {"a": 1.0})
    path = tmp_path / "scores" / "a.npz"
    with np.load(path) as stored:
        arrays = dict(stored)
    scores, membership = arrays["lira_online"], arrays["membership"]
    scores[:, 5] = np.where(membership[:, 5], np.inf, -np.inf)
    np.savez(path, **arrays)
    measured = results["rows"][0]["attacks"]["lira_online"]["auc"]
    measured["value"] = auc(roc(scores, membership))
    (tmp_path / "results.json").write_text(json.dumps(results))
    (tmp_path / "riskiest.npz").unlink()
    write_report(tmp_path)
    first = json.loads((tmp_path / "report.json").read_text())["riskiest"]["a"][0]
    assert first["id"] == "example 5"
    assert [target["score"] for target in first["targets"]] == [None] * 4


def test_without_scores_the_tables_are_left(tmp_path: Path) -> None:
    write_run(tmp_path, {"undefended": 1.0})
    (tmp_path / "scores" / "undefended.npz").unlink()
    write_report(tmp_path)
    html = (tmp_path / "report.html").read_text()
    assert 'id="table"' in html and 'id="rocs"' not in html


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda d: (d / "results.json").write_text('{"rows": ['), r"results.json is damaged \(Exp"),
        (lambda d: (d / "results.json").write_bytes(b"\xff\xfe"), r"results.json is damaged"),
        (lambda d: (d / "results.json").write_text("[]"), r"it holds no record"),
        (lambda d: (d / "results.json").write_text("{}"), r"it is not the record of a run"),
        (lambda d: (d / "results.json").write_text('{"rows": [{}]}'), r"rows.0. lacks slug"),
        (lambda d: (d / "results.json").unlink(), r"neither results.json nor risk_map.json"),
        (lambda d: (d / "risk_map.json").write_text("{}"), r"is not the record of a risk map"),
        (lambda d: (d / "scores" / "a.npz").write_bytes(b"PK"), r"a.npz is damaged"),
        (lambda d: (d / "riskiest.npz").write_bytes(b""), r"riskiest.npz is damaged"),
        (lambda d: old_white_box(d / "results.json"), r"written by an older version, which"),
        (lambda d: other_scores(d / "scores" / "a.npz"), r"a.npz is not that of results.json"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, break_it, message: str) -> None:
    write_run(tmp_path, {"a": 1.0})
    break_it(tmp_path)
    with pytest.raises(ValueError, match=message):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_no_directory(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no such directory"):
        write_report(tmp_path / "none")


def old_white_box(path: Path) -> None:
    results = json.loads(path.read_text())
    del results["schema"]
    results["rows"][0]["white_box"] = {"stem": {"auc": {"value": 0.5, "low": 0.4, "high": 0.6}}}
    path.write_text(json.dumps(results))


def other_scores(path: Path) -> None:
    with np.load(path) as stored:
        arrays = dict(stored)
    np.savez(path, **{**arrays, "lira_online": -arrays["lira_online"]})
