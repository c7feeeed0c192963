"""The tokens of the riskiest examples, and how much each of them leaks."""

import unicodedata
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from pptp_jax.data import Dataset, Membership
from pptp_jax.metrics import token_leakage

# As many tokens of an example are kept, and characters of a token.
KEPT, LONGEST = 256, 24
# What would not be seen, or would change how the rest is seen: control, format and unknown
# characters, and breaks of lines other than the usual one.
_HIDDEN = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}
NUMBERS = ("token_leakage", "token_inside", "token_outside", "token_target")

Texts = Callable[[list[int]], list[str]]
Found = dict[str, Shaped[np.ndarray, "recipes examples ..."]]


def has_tokens(data: Dataset) -> bool:
    """Whether the examples are sequences, of whose tokens a model says how likely each is.

    Args:
        data: the examples.
    """
    symbols = data.vocabulary is not None and data.labels is None
    return symbols and data.y.ndim == 2 and data.y.dtype.kind in "iu"


def riskiest_tokens(
    data: Dataset,
    membership: Membership,
    rows: Int[np.ndarray, "recipes examples"],
    surest: Int[np.ndarray, "recipes examples"],
    fleets: Sequence[Mapping[str, Shaped[np.ndarray, "models ..."]]],
    texts: Texts | None,
) -> Found:
    """Arrays of the first tokens of some examples.

    - `tokens`, their ids, without places that have none, and −1 behind the end;
    - `token_texts`, where these are known, with signs for what would not be seen;
    - `token_count`, of how many tokens they are the first;
    - `token_models`, how many of the models that did not diverge have the example as a member, and
      how many do not;
    - `token_leakage`, `token_inside` and `token_outside`, as `metrics.token_leakage` has them, and
      `token_target`, log p in the surest target. They are NaN where nothing is known, as of a
      recipe that keeps no log-probabilities of tokens.

    Args:
        data: the examples.
        membership: who is a member of what.
        rows: which examples, of each recipe.
        surest: the number of one model for each of them.
        fleets: the signals of each recipe's models.
        texts: decodes tokens; None if there is no tokenizer.
    """
    there = data.y[rows] >= 0
    kept = min(KEPT, int(there.sum(axis=-1).max(initial=0)))
    shape = *rows.shape, kept
    found: Found = {
        "tokens": np.full(shape, -1),
        "token_count": there.sum(axis=-1),
        "token_models": np.zeros((*rows.shape, 2), int),
        **{name: np.full(shape, np.nan) for name in NUMBERS},
    }
    for i, signals in enumerate(fleets):
        finite = np.asarray(signals["finite"])
        members = membership.matrix[:, rows[i]][finite]
        found["token_models"][i] = np.stack([members.sum(axis=0), (~members).sum(axis=0)], axis=-1)
        numbers = _numbers(signals, rows[i], members, there[i], surest[i])
        for j, present in enumerate(there[i]):
            places = np.flatnonzero(present)[:kept]
            found["tokens"][i, j, : len(places)] = data.y[rows[i, j], places]
            for name, values in numbers.items():
                found[name][i, j, : len(places)] = values[j, places]
    if texts is not None:
        found["token_texts"] = _texts(found["tokens"], texts)
    return found


def _numbers(
    signals: Mapping[str, Shaped[np.ndarray, "models ..."]],
    rows: Int[np.ndarray, " examples"],
    members: Bool[np.ndarray, "finite examples"],
    there: Bool[np.ndarray, "examples tokens"],
    surest: Int[np.ndarray, " examples"],
) -> dict[str, Float[np.ndarray, "examples tokens"]]:
    """The leakage of each token; empty if the fleet has no log-probabilities of tokens."""
    if "token_log_prob" not in signals:
        return {}
    log_p = np.asarray(signals["token_log_prob"][:, :, rows], np.float64).mean(axis=1)
    leaked = token_leakage(log_p[np.asarray(signals["finite"])], members, there)
    own = log_p[surest, np.arange(len(rows))]
    return dict(zip(NUMBERS, (leaked.leakage, leaked.inside, leaked.outside, own), strict=True))


def _texts(
    tokens: Int[np.ndarray, "recipes examples kept"], texts: Texts
) -> Shaped[np.ndarray, "recipes examples kept"]:
    found = np.full(tokens.shape, "", dtype=f"<U{LONGEST}")
    for at in np.ndindex(tokens.shape[:2]):
        own = tokens[at][tokens[at] >= 0]
        found[at][: len(own)] = [visible(text) for text in texts(own.tolist())]
    return found


def visible(text: str) -> str:
    r"""The text of a token, cut, with signs for characters that would not be seen.

    Args:
        text: of one token. Its line feeds stay.

    Examples:
        >>> visible("a\0\u202e"), visible("=" * 80)
        ('a␀⟨202E⟩', '=======================…')
    """
    seen = "".join(
        one if one == "\n" or unicodedata.category(one) not in _HIDDEN else _sign(ord(one))
        for one in text
    )
    return seen if len(seen) <= LONGEST else seen[: LONGEST - 1] + "…"


def _sign(code: int) -> str:
    return chr(0x2400 + code) if code < 32 else f"⟨{code:04X}⟩"
