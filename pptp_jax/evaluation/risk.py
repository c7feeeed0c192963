"""The modifications of a region for a risk map, and the numbers that decide."""

from typing import Literal

Modification = Literal["rewind", "rewind_early", "graft", "retrain"]

# What is done to a region; the last one only where retraining is requested.
MODIFICATIONS: tuple[Modification, ...] = ("rewind", "rewind_early", "graft", "retrain")

# The modification by which cuts are chosen. It is what `freeze` leaves behind, costs the least
# accuracy, and needs no training of its own.
DECISIVE: Modification = "rewind_early"

# The attack behind the privacy score.
ATTACK = "lira_online"
