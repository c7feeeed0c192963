"""The riskiest records of text: read, coloured and counted, from what a run has stored."""

import json
import re
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from stored_run import NASTY, write_run, write_text
from test_page import Page

from pptp_jax.report import write_report
from pptp_jax.report.page import token_text

LEAKS = {"undefended": 8.0, "freeze": 0.0}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "out"
    write_run(out, {"undefended": 2.0, "freeze": 0.3}, images=False)
    return out


def written(run: Path, texts: list[str], numbers: bool = True) -> tuple[Page, str]:
    write_text(run, texts, LEAKS, numbers)
    html = write_report(run).read_text()
    return Page(html), html


def tokens_of(page: Page) -> list[dict[str, str | None]]:
    """The tokens of all records, without the legend."""
    spans = [span for span in page.all("span") if str(span.get("class")).startswith("token")]
    return [span for span in spans if "title" in span]


def test_every_token_has_its_number_and_shade(run: Path) -> None:
    page, _ = written(run, ["a secret " * 40])
    found = json.loads((run / "report.json").read_text())["riskiest"]
    drawn = tokens_of(page)
    stored = [value for own in found.values() for one in own for value in one["tokens"]["leakage"]]
    assert len(drawn) == len(stored) == 20 * 256
    for span, value in zip(drawn, stored, strict=True):
        told = re.match(r"([+−][\d.]+); log p −([\d.]+), in −[\d.]+, out −", str(span["title"]))
        assert told and float(told[1].replace("−", "-")) == pytest.approx(value, abs=0.051)
        assert span["class"] == f"token {token_text.shade(value)}"
    leaking = [value for one in found["undefended"] for value in one["tokens"]["leakage"][::7]]
    others = [value for one in found["freeze"] for value in one["tokens"]["leakage"]]
    assert min(leaking) > 2 and abs(np.mean(others)) < 0.2
    # What the colours mean is written beside them, and by what the numbers vary by chance.
    text = " ".join(page.text)
    for shown in token_text.legend():
        assert shown.text in page.text and f"token {shown.shade}".strip() in {
            str(span["class"]).strip() for span in page.all("span") if "class" in span
        }
    assert "By chance alone a token varies by about ±1.0." in text  # two models in, two out
    assert text.count("The first 256 of 300 tokens are shown.") == 20


def test_a_sentence_describes_a_record(run: Path) -> None:
    page, _ = written(run, ["short"])
    text = " ".join(page.text)
    for own in json.loads((run / "report.json").read_text())["riskiest"].values():
        for record in own:
            tokens = record["tokens"]
            members = [i for i, target in enumerate(record["targets"]) if target["member"]]
            surest = max(members, key=lambda i: record["targets"][i]["score"])
            assert tokens["surest"] == surest
            score = f"{record['targets'][surest]['score']:.2f}".replace("-", "−")
            assert f"Member of {len(members)} of 4 models. The target with the" in text
            assert f"highest score, {score}, is model {surest}." in text
            without = f"{np.mean(tokens['outside']):.2f}".replace("-", "−")
            assert f"models that did not train on the record: {without}." in text
    assert "are shown." not in text and "Largest leakage: “" in text


def test_markup_in_a_record_stays_text(run: Path) -> None:
    page, html = written(run, [f"{NASTY}\0\u202e<b title='x'>é☃"])
    assert "<script" not in html and "<b " not in html and "\0" not in html and "\u202e" not in html
    assert not page.all("script") and not page.all("b")
    drawn = re.findall(r'<span class="token[^>]*title="[^>]*">([^<]*)</span>', html)
    read = unescape("".join(drawn))
    assert read.count(f": {NASTY}␀⟨202E⟩··<b title='x'>é·☃··") == 20


def test_a_line_feed_is_seen(run: Path) -> None:
    _, html = written(run, ["one\ntwo"])
    assert ">↵\n</span>" in html


def test_tokens_that_nobody_can_read_are_ids(run: Path) -> None:
    page, _ = written(run, ["ids"])
    assert len(tokens_of(page)) > 20 and {str(ord("i")), str(ord("d"))} <= set(page.text)


def test_without_numbers_of_tokens_the_text_is_left(run: Path) -> None:
    page, _ = written(run, ["abc"], numbers=False)
    assert {(span["class"], span["title"]) for span in tokens_of(page)} == {("token ", "")}
    text = " ".join(page.text)
    assert text.count("The run stored no log p of its tokens.") == 20
    assert "Largest leakage" not in text
    found = json.loads((run / "report.json").read_text())["riskiest"]["freeze"][0]["tokens"]
    assert set(found["leakage"]) == {None} and found["count"] == len(found["ids"])


def test_an_older_run_has_no_tokens(run: Path) -> None:
    write_text(run, ["abc"], LEAKS)
    with np.load(run / "riskiest.npz") as stored:
        older = {key: stored[key] for key in stored if "token" not in key and "surest" not in key}
    np.savez(run / "riskiest.npz", **older)
    html = write_report(run).read_text()
    assert 'class="token' not in html and 'id="riskiest"' in html


def test_many_records_share_the_room() -> None:
    one = {"tokens": {}}
    assert token_text.shown_of([]) == token_text.MOST
    assert token_text.shown_of([one] * 100 + [{}] * 900) == 300
    assert token_text.shown_of([one] * 10_000) == token_text.LEAST


def test_shades_are_legible_and_distinct() -> None:
    """The ink on each shade, in light and dark, as WCAG 2 asks for; and no two shades alike."""
    css = (Path(token_text.__file__).parent / "report.css").read_text()
    shares = [int(s) for s in re.findall(r"\.gives\d \{ --share: (\d+)%", css)]
    lines = [int(s) for s in re.findall(r"--line: (\d)px", css)]
    assert len(shares) == len(token_text.STEPS) and sorted(set(shares)) == shares
    assert sorted(set(lines)) == lines and len(lines) == len(shares)  # for those who see no colour
    [below] = re.findall(r"\.token\.below \{ --of: var\(--nonmember\); --share: (\d+)%", css)
    light, dark = (colours(part) for part in re.findall(r":root \{(.*?)\}", css, re.S)[:2])
    for theme in (light, dark):
        for name, share in [*(("member", s) for s in shares), ("nonmember", int(below))]:
            mixed = theme[name] * share / 100 + theme["panel"] * (1 - share / 100)
            pair = sorted((luminance(theme["ink"]), luminance(mixed)))
            assert (pair[1] + 0.05) / (pair[0] + 0.05) > 4.5, (name, share)


def colours(block: str) -> dict[str, np.ndarray]:
    found = re.findall(r"--(\w+): #(\w{6})", block)
    return {name: np.array([*bytes.fromhex(code)]) / 255 for name, code in found}


def luminance(colour: np.ndarray) -> float:
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
