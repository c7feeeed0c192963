"""Models behind `Model(init, apply)`; the only floor that knows flax."""

from pptp_jax.models.cnn import cnn
from pptp_jax.models.equinox import from_equinox
from pptp_jax.models.linen import from_linen
from pptp_jax.models.mlp import mlp
from pptp_jax.models.model import Model, Variables, learns
from pptp_jax.models.nnx import from_nnx
from pptp_jax.models.precision import in_bfloat16
from pptp_jax.models.rebuilt import BUILDERS, rebuilt
from pptp_jax.models.resnet import resnet18
from pptp_jax.models.standardized import standardized
from pptp_jax.models.starting_from import starting_from
from pptp_jax.models.statistics import recompute_statistics
from pptp_jax.models.vgg import vgg11_bn
from pptp_jax.models.vit import vit
from pptp_jax.models.weights import save_variables
from pptp_jax.models.wide_resnet import wrn28

__all__ = [
    "BUILDERS",
    "Model",
    "Variables",
    "cnn",
    "from_equinox",
    "from_linen",
    "from_nnx",
    "in_bfloat16",
    "learns",
    "mlp",
    "rebuilt",
    "recompute_statistics",
    "resnet18",
    "save_variables",
    "standardized",
    "starting_from",
    "vgg11_bn",
    "vit",
    "wrn28",
]
