"""Models as pure functions, `Model(init, apply)`; the only package that imports flax.

What needs Flax or Equinox is imported when it is first used, so that attacks, signals and
transforms load without them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pptp_jax.models.generation import Sampling, generate, sampling_log_probs
from pptp_jax.models.lora import lora, merged
from pptp_jax.models.model import Model, Variables, learns
from pptp_jax.models.precision import in_precision, precision_in_words
from pptp_jax.models.products import Precision, compiled_for, full_float32
from pptp_jax.models.standardization import standardized
from pptp_jax.models.starting_from import starting_from
from pptp_jax.models.statistics import recompute_statistics
from pptp_jax.models.tied_dropout import TiedChannels
from pptp_jax.models.weights import save_variables

if TYPE_CHECKING:
    from pptp_jax.models.builders import BUILDERS, rebuilt
    from pptp_jax.models.dcgan import discriminator_cnn, generator_cnn
    from pptp_jax.models.denoising_perceptron import denoising_mlp
    from pptp_jax.models.diffusion_model import ddpm
    from pptp_jax.models.equinox import from_equinox
    from pptp_jax.models.fast_resnet import resnet9
    from pptp_jax.models.gan_model import gan
    from pptp_jax.models.gan_perceptrons import discriminator_mlp, generator_mlp
    from pptp_jax.models.gguf_weights import llama_from_gguf
    from pptp_jax.models.gpt_decoder import gpt
    from pptp_jax.models.linen import from_linen
    from pptp_jax.models.llama_decoder import llama
    from pptp_jax.models.nnx import from_nnx
    from pptp_jax.models.perceptron import mlp
    from pptp_jax.models.plain_cnn import cnn
    from pptp_jax.models.resnet import resnet8, resnet18
    from pptp_jax.models.safetensors_weights import llama_from_safetensors
    from pptp_jax.models.unet_model import unet
    from pptp_jax.models.vgg import vgg11_bn
    from pptp_jax.models.vision_transformer import vit
    from pptp_jax.models.wide_resnet import wrn28

__all__ = [
    "BUILDERS",
    "Model",
    "Precision",
    "Sampling",
    "TiedChannels",
    "Variables",
    "cnn",
    "compiled_for",
    "ddpm",
    "denoising_mlp",
    "discriminator_cnn",
    "discriminator_mlp",
    "from_equinox",
    "from_linen",
    "from_nnx",
    "full_float32",
    "gan",
    "generate",
    "generator_cnn",
    "generator_mlp",
    "gpt",
    "in_precision",
    "learns",
    "llama",
    "llama_from_gguf",
    "llama_from_safetensors",
    "lora",
    "merged",
    "mlp",
    "precision_in_words",
    "rebuilt",
    "recompute_statistics",
    "resnet8",
    "resnet9",
    "resnet18",
    "sampling_log_probs",
    "save_variables",
    "standardized",
    "starting_from",
    "unet",
    "vgg11_bn",
    "vit",
    "wrn28",
]

# No module has the name of what it defines: importing it would hide the function.
_LATER = {
    "BUILDERS": "builders",
    "cnn": "plain_cnn",
    "ddpm": "diffusion_model",
    "denoising_mlp": "denoising_perceptron",
    "discriminator_cnn": "dcgan",
    "discriminator_mlp": "gan_perceptrons",
    "from_equinox": "equinox",
    "from_linen": "linen",
    "from_nnx": "nnx",
    "gan": "gan_model",
    "generator_cnn": "dcgan",
    "generator_mlp": "gan_perceptrons",
    "gpt": "gpt_decoder",
    "llama": "llama_decoder",
    "llama_from_gguf": "gguf_weights",
    "llama_from_safetensors": "safetensors_weights",
    "mlp": "perceptron",
    "rebuilt": "builders",
    "resnet8": "resnet",
    "resnet9": "fast_resnet",
    "resnet18": "resnet",
    "unet": "unet_model",
    "vgg11_bn": "vgg",
    "vit": "vision_transformer",
    "wrn28": "wide_resnet",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
