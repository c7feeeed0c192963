"""The attacks on generative models."""

from pptp_jax.attacks.attack import Attack
from pptp_jax.attacks.generative import (
    gan_leaks,
    gan_leaks_calibrated,
    gan_leaks_latent,
    gan_leaks_latent_calibrated,
    logan,
    logan_black_box,
    monte_carlo,
)
from pptp_jax.signals.surrogate_score import SURROGATE_SCORE

_LEAKS = "Chen et al. 2020, arXiv 1909.03935"
_PLAIN = "mean squared differences of inputs, without LPIPS; as many samples of each class"
_SHADOWS = "; the mean over OUT shadows in place of one reference model"

ON_GENERATORS = (
    Attack(
        name="logan",
        title="LOGAN (D)",
        access="white-box",
        reads=("discriminator_score",),
        source="Hayes et al. 2019, arXiv 1705.07663",
        deviations="a score; the paper takes as many of the largest as there are members",
        function=logan,
    ),
    Attack(
        name="logan_black_box",
        title="LOGAN (samples)",
        access="samples",
        reads=(SURROGATE_SCORE.name,),
        source="Hayes et al. 2019, arXiv 1705.07663",
        deviations="a score, as LOGAN (D); the surrogate is a GAN of perceptrons, and gets the "
        "samples' labels",
        function=logan_black_box,
    ),
    Attack(
        name="gan_leaks",
        title="GAN-Leaks",
        access="samples",
        reads=("sample_distances",),
        source=_LEAKS,
        deviations=_PLAIN,
        function=gan_leaks,
    ),
    Attack(
        name="gan_leaks_calibrated",
        title="GAN-Leaks calibrated",
        access="samples",
        reads=("sample_distances",),
        min_out_shadows=1,
        source=_LEAKS,
        deviations=_PLAIN + _SHADOWS,
        function=gan_leaks_calibrated,
    ),
    Attack(
        name="gan_leaks_latent",
        title="GAN-Leaks (z)",
        access="white-box",
        reads=("latent_distance",),
        source=_LEAKS,
        deviations="no LPIPS; the noise's length is drawn to its mean",
        function=gan_leaks_latent,
    ),
    Attack(
        name="gan_leaks_latent_calibrated",
        title="GAN-Leaks (z) calibrated",
        access="white-box",
        reads=("latent_distance",),
        min_out_shadows=1,
        source=_LEAKS,
        deviations="as GAN-Leaks (z)" + _SHADOWS,
        function=gan_leaks_latent_calibrated,
    ),
    Attack(
        name="monte_carlo",
        title="Monte Carlo",
        access="samples",
        reads=("sample_distances",),
        source="Hilprecht et al. 2019, arXiv 1906.03006",
        deviations="distances of inputs, without PCA or colour histograms; counts no more samples "
        "than have their distances kept",
        function=monte_carlo,
    ),
)
