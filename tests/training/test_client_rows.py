"""Whose members are a client's: the rows of owners, whatever their names."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pptp_jax.training import Federated


@given(st.lists(st.integers(0, 2), min_size=12, max_size=12), st.randoms())
@settings(max_examples=20)
def test_clients_have_the_rows_of_their_owners(owners: list[int], random: Any) -> None:
    rows = list(range(len(owners)))
    random.shuffle(rows)
    members = np.array([-1 - row if random.random() < 0.2 else row for row in rows], np.int32)
    clients = Federated(clients=len(set(owners)), owners=tuple(owners))
    found = np.asarray(clients.rows(jnp.asarray(members)))
    for own, name in zip(found, sorted(set(owners)), strict=True):
        mine = [m for m in members.tolist() if owners[m if m >= 0 else -1 - m] == name]
        assert own[: len(mine)].tolist() == mine and (own[len(mine) :] == -1).all()


def test_owners_of_any_numbers_are_numbered() -> None:
    for owners in ((-7, 10**12, -7), [5, 9, 5], ("a", "b", "a")):
        assert Federated(clients=2, owners=owners).owners == (0, 1, 0)
