"""The riskiest records of text: each token with a shade, and sentences on the record."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from pptp_jax.evaluation.riskiest_tokens import NUMBERS
from pptp_jax.report.page.words import number

# Where a darker shade begins, in deviations.
STEPS = (1, 2, 4, 8)
# A page with many recipes shows less of each record, so that it stays a page.
MOST, LEAST = 30_000, 32
NAMED = 3


class Token(NamedTuple):
    """A token as it is drawn.

    Attributes:
        text: what is read.
        shade: a class of the page; empty for none.
        told: the numbers behind it.
    """

    text: str
    shade: str
    told: str


def stored_tokens(stored: Mapping[str, np.ndarray], at: tuple[int, int]) -> dict[str, Any] | None:
    """What a run has kept of a record's tokens, as plain data; None if nothing.

    Args:
        stored: the arrays of `riskiest.npz`.
        at: the recipe's and the record's place in them.
    """
    needed = {"tokens", "token_count", "token_models", "surest", "surest_score", *NUMBERS}
    if not needed <= set(stored):
        return None
    ids = stored["tokens"][at]
    count = int((ids >= 0).sum())
    texts = stored["token_texts"][at][:count].tolist() if "token_texts" in stored else None
    inside, outside = stored["token_models"][at].tolist()
    return {
        "ids": ids[:count].tolist(),
        "texts": texts,
        "count": int(stored["token_count"][at]),
        "models": {"in": inside, "out": outside},
        "surest": int(stored["surest"][at]),
        "surest_score": _known(stored["surest_score"][at]),
        **{name.removeprefix("token_"): _row(stored[name][at][:count]) for name in NUMBERS},
    }


def _known(value: float) -> float | None:
    """JSON has neither NaN nor infinity."""
    return float(value) if math.isfinite(value) else None


def _row(values: Iterable[float]) -> list[float | None]:
    return [round(value, 4) if math.isfinite(value) else None for value in map(float, values)]


def shade(leakage: float | None) -> str:
    """The class of a token's shade.

    Examples:
        >>> [shade(value) for value in (None, 0.5, 1.0, 9.0, -1.5)]
        ['', '', 'gives1', 'gives4', 'below']
    """
    if leakage is None:
        return ""
    step = sum(leakage >= least for least in STEPS)
    return f"gives{step}" if step else "below" * (leakage <= -STEPS[0])


def legend() -> list[Token]:
    """What the shades mean."""
    ends = (*STEPS[1:], None)
    spans = [
        f"{low} to {high}" if high else f"{low} or more"
        for low, high in zip(STEPS, ends, strict=True)
    ]
    inner = [Token(span, f"gives{i}", "") for i, span in enumerate(spans, start=1)]
    return [Token("−1 or less", "below", ""), Token("between −1 and 1", "", ""), *inner]


def shown_of(records: Iterable[Mapping[str, Any]]) -> int:
    """How many tokens of each record fit on the page.

    Args:
        records: those of all recipes.
    """
    return max(LEAST, MOST // max(sum("tokens" in record for record in records), 1))


def drawn(record: Mapping[str, Any], most: int) -> list[Token]:
    """The tokens of a record, from the first on.

    Args:
        record: one of the riskiest.
        most: how many are shown.
    """
    own = record["tokens"]
    columns = zip(*(own[name] for name in ("leakage", "target", "inside", "outside")), strict=True)
    return [
        Token(text, shade(numbers[0]), _numbers(*numbers))
        for text, numbers in islice(zip(_readable(own), columns, strict=True), most)
    ]


def _readable(own: Mapping[str, Any]) -> list[str]:
    if own["texts"] is None:
        return [f"{one} " for one in own["ids"]]
    # A letter of several tokens stands at the first; a line feed is seen, and breaks the line.
    return [text.replace("\n", "↵\n") or "·" for text in own["texts"]]


def _numbers(
    leakage: float | None, target: float | None, inside: float | None, outside: float | None
) -> str:
    if inside is None and outside is None:
        return ""
    means = f"{number(target, 2)}, in {number(inside, 2)}, out {number(outside, 2)}"
    return f"{number(leakage, 1, '+')}; log p {means}"


def told(record: Mapping[str, Any], most: int) -> str:
    """Sentences on a record.

    Args:
        record: one of the riskiest.
        most: how many of its tokens are shown.
    """
    own = record["tokens"]
    inside, models = own["models"]["in"], sum(own["models"].values())
    score = own["surest_score"]
    scored = "" if score is None else f", {number(score, 2)},"
    said = [
        f"Member of {inside} of {models} models. The target with the highest score{scored} is "
        f"model {own['surest']}."
    ]
    at, without = (_mean(own[name][:most]) for name in ("target", "outside"))
    if at is not None and without is not None:
        said.append(
            f"Its mean log p of these tokens is {number(at, 2)}; that of models that did not train "
            f"on the record: {number(without, 2)}."
        )
    else:
        said.append("The run stored no log p of its tokens.")
    if named := _largest(own, most):
        said.append(f"Largest leakage: {named}.")
    shown = min(most, len(own["ids"]))
    if shown < own["count"]:
        said.append(f"The first {shown:,} of {own['count']:,} tokens are shown.")
    return " ".join(said)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _largest(own: Mapping[str, Any], most: int) -> str:
    """The shown tokens that give most away, with their numbers; empty if none does."""
    texts = own["texts"] or [str(one) for one in own["ids"]]
    shown = zip(texts[:most], own["leakage"][:most], strict=True)
    known = [(text, value) for text, value in shown if value is not None and value >= STEPS[0]]
    first = sorted((one for one in known if one[0]), key=lambda one: -one[1])[:NAMED]
    return ", ".join(
        f"“{text.replace(chr(10), '↵')}” ({number(value, 1)})" for text, value in first
    )


def chance(record: Mapping[str, Any]) -> str:
    """By how much the leakage of a token varies that gives nothing away; empty if unknown.

    Args:
        record: one of the riskiest.

    Examples:
        >>> chance({"tokens": {"models": {"in": 8, "out": 8}}})
        '0.5'
    """
    inside, outside = (record["tokens"]["models"][name] for name in ("in", "out"))
    return number(math.sqrt(1 / inside + 1 / outside), 1) if inside and outside else ""
