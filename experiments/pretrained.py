"""Fashion-MNIST: is it better to freeze what was learned from other people's images?"""

from pptp_jax.data import Balanced, Tfds
from pptp_jax.models import cnn
from pptp_jax.study import Study
from pptp_jax.training import SGD, early_stopped, pretrained, undefended

BEFORE = 10
CONVOLUTIONS = ("stem", "stage1")
BODY = (*CONVOLUTIONS, "stage2")  # all but the last layer

study = Study(
    name="pretrained",
    data=Tfds("fashion_mnist"),
    model=cnn([8, 16], dense=64, num_classes=10),
    split=Balanced(models=8),
    examples=1800,
    reference=600,
    optimizer=SGD(learning_rate=0.05),
    batch_size=50,
    compared="rmia_online",  # LiRA fits Gaussians, for which so few shadows are too few
    trajectory=(BEFORE + 1, BEFORE + 2, BEFORE + 4, BEFORE + 7),
    recipes=(
        undefended(15),
        *(early_stopped(epochs) for epochs in (4, 6, 9)),
        *(
            pretrained(region, BEFORE, more)
            for region in (None, CONVOLUTIONS, BODY)
            for more in (2, 5, 10)
        ),
    ),
)
