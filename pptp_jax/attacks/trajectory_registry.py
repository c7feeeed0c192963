"""The attacks that read signals from several epochs of a training."""

from pptp_jax.attacks.attack import Attack
from pptp_jax.attacks.trajectory import (
    distilled_trajectory,
    lira_distilled,
    lira_trajectory,
    metric_sequence,
    trajectory,
)

_STUDENTS = (
    "a student begins as all others and has its teacher's architecture; in a study its teacher "
    "answers without its release"
)

ALONG_STOPS = (
    Attack(
        name="trajectory",
        title="trajectory",
        access="white-box",
        reads=("trajectory",),
        min_shadows=1,
        source="Liu et al. 2022, arXiv 2208.14933",
        deviations="the model's own checkpoints, not a student's; φ, compressed, in place of the "
        "loss; a smaller network; members and non-members weigh alike",
        function=trajectory,
    ),
    Attack(
        name="distilled_trajectory",
        title="trajectory by distillation",
        access="scores",
        reads=("distilled_trajectory",),
        min_shadows=1,
        source="Liu et al. 2022, arXiv 2208.14933",
        deviations="as trajectory, of students; " + _STUDENTS,
        function=distilled_trajectory,
    ),
    Attack(
        name="metric_sequence",
        title="metric sequence",
        access="white-box",
        reads=("metric_trajectory",),
        min_shadows=1,
        source="Li et al. 2024, arXiv 2407.15098",
        deviations="the model's own checkpoints, not a student's; φ in place of the loss, and all "
        "metrics compressed; an LSTM of 16 numbers; members and non-members weigh alike",
        function=metric_sequence,
    ),
    Attack(
        name="lira_trajectory",
        title="LiRA along stops",
        access="white-box",
        reads=("trajectory",),
        min_in_shadows=2,
        min_out_shadows=2,
        source="Carlini et al. 2022, arXiv 2112.03570",
        deviations="LiRA multivariate on φ of every stop, which is ours",
        function=lira_trajectory,
    ),
    Attack(
        name="lira_distilled",
        title="LiRA along a student",
        access="scores",
        reads=("distilled_trajectory",),
        min_in_shadows=2,
        min_out_shadows=2,
        source="Carlini et al. 2022, arXiv 2112.03570; Liu et al. 2022, arXiv 2208.14933",
        deviations="LiRA multivariate on φ of a student's epochs and of the model, which is ours; "
        + _STUDENTS,
        function=lira_distilled,
    ),
)
