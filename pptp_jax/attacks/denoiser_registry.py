"""The attacks on denoisers; those on classifiers take a denoiser's timesteps as queries."""

from pptp_jax.attacks.attack import Attack
from pptp_jax.attacks.denoiser_attacks import denoising_loss, gsa1, gsa2, pia, pian, secmi, sima
from pptp_jax.attacks.difference_network import secmi_nns
from pptp_jax.signals import (
    PIA_ERROR,
    PIAN_ERROR,
    SECMI_DIFFERENCE,
    SECMI_ERROR,
    SIMA_NORM,
    TIMESTEP_GRADIENTS,
)

_CHOSEN = "the timestep is chosen on the shadows unless given"

ON_DENOISERS = (
    Attack(
        name="denoising_loss",
        title="loss at t",
        access="scores",
        reads=("denoising_error",),
        min_shadows=1,
        source="Carlini et al. 2023, arXiv 2301.13188",
        deviations=_CHOSEN,
        function=denoising_loss,
    ),
    Attack(
        name="secmi",
        title="SecMI",
        access="scores",
        reads=(SECMI_ERROR,),
        min_shadows=1,
        source="Duan et al. 2023, arXiv 2302.01316",
        deviations=f"{_CHOSEN}; the steps of DDIM lead over the timesteps that are evaluated",
        function=secmi,
    ),
    Attack(
        name="secmi_nns",
        title="SecMI (network)",
        access="scores",
        reads=(SECMI_DIFFERENCE,),
        min_shadows=1,
        source="Duan et al. 2023, arXiv 2302.01316",
        deviations="a perceptron of one hidden layer in place of a ResNet-18, which judges other "
        "examples than it learns from, and reads all timesteps unless one is given",
        function=secmi_nns,
    ),
    Attack(
        name="pia",
        title="PIA",
        access="scores",
        reads=(PIA_ERROR,),
        min_shadows=1,
        source="Kong et al. 2023, arXiv 2305.18355",
        deviations=_CHOSEN,
        function=pia,
    ),
    Attack(
        name="pian",
        title="PIAN",
        access="scores",
        reads=(PIAN_ERROR,),
        min_shadows=1,
        source="Kong et al. 2023, arXiv 2305.18355",
        deviations=f"{_CHOSEN}; how the noise is normalised is our reconstruction",
        function=pian,
    ),
    Attack(
        name="sima",
        title="SimA",
        access="scores",
        reads=(SIMA_NORM,),
        min_shadows=1,
        source="Rao et al. 2025, arXiv 2509.25003",
        deviations=_CHOSEN,
        function=sima,
    ),
    Attack(
        name="gsa1",
        title="GSA1",
        access="white-box",
        reads=("gradient_norms",),
        min_shadows=1,
        source="Pang et al. 2023, arXiv 2308.06405",
        deviations="norms by block; scikit-learn's boosted trees in place of XGBoost, which judge "
        "other examples than they learn from; the noise of an image is the same for all models",
        function=gsa1,
    ),
    Attack(
        name="gsa2",
        title="GSA2",
        access="white-box",
        reads=(TIMESTEP_GRADIENTS,),
        min_shadows=1,
        source="Pang et al. 2023, arXiv 2308.06405",
        deviations="as GSA1",
        function=gsa2,
    ),
)
