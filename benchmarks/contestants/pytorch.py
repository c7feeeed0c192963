"""PyTorch: one model after another, or all at once by `torch.func`.

The networks have the parameters of ours, name by name.
"""

import copy
import os
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from contestants.networks import MOMENTUM, RATE, Contestant, Network

# As JAX does on a GPU.
torch.set_float32_matmul_precision("high")


class Layers(nn.Sequential):
    """Named layers, one after another."""

    def __init__(self, **layers: nn.Module) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)


def _conv(before: int, width: int, size: int = 3, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(before, width, size, stride, size // 2, bias=False)


def _normed(before: int, width: int, size: int = 3, stride: int = 1) -> nn.Module:
    return Layers(conv=_conv(before, width, size, stride), norm=nn.BatchNorm2d(width))


class Flatten(nn.Module):
    """Height, width, channels, as the dense layer of ours has them."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """A row for each example."""
        return x.permute(0, 2, 3, 1).flatten(1)


class BasicBlock(nn.Module):
    """Two convolutions, each normalised behind."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _normed(before, width, stride=stride)
        self.conv2 = _normed(width, width)
        same = before == width and stride == 1
        self.shortcut = nn.Identity() if same else _normed(before, width, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The maps."""
        return torch.relu(self.shortcut(x) + self.conv2(torch.relu(self.conv1(x))))


class WideBlock(nn.Module):
    """Two convolutions, each normalised before."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(before), nn.BatchNorm2d(width)
        self.conv1, self.conv2 = _conv(before, width, 3, stride), _conv(width, width)
        same = before == width and stride == 1
        self.shortcut = None if same else _conv(before, width, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The maps."""
        y = torch.relu(self.norm1(x))
        x = x if self.shortcut is None else self.shortcut(y)
        return x + self.conv2(torch.relu(self.norm2(self.conv1(y))))


def _stages(block: type[nn.Module], before: int, widths: Sequence[int]) -> dict[str, nn.Module]:
    stages: dict[str, nn.Module] = {}
    for i, width in enumerate(widths, 1):
        first, second = block(before, width, 1 if i == 1 else 2), block(width, width, 1)
        stages[f"stage{i}"], before = Layers(block1=first, block2=second), width
    return stages


def _pooled() -> dict[str, nn.Module]:
    return {"pool": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten()}


def module(name: str) -> nn.Module:
    """A network by its name."""
    if name == "mlp":
        return Layers(
            stem=nn.Linear(600, 512), tanh0=nn.Tanh(), stage1=nn.Linear(512, 256),
            tanh1=nn.Tanh(), head=nn.Linear(256, 100),
        )  # fmt: skip
    if name == "cnn":
        layers: dict[str, nn.Module] = {}
        for place, before, width in (("stem", 3, 16), ("stage1", 16, 32), ("stage2", 32, 64)):
            layers[place] = nn.Conv2d(before, width, 3, padding=1)
            layers |= {f"{place}_relu": nn.ReLU(), f"{place}_pool": nn.MaxPool2d(2)}
        dense = {"stage3": nn.Linear(1024, 128), "relu": nn.ReLU(), "head": nn.Linear(128, 10)}
        return Layers(**layers, flat=Flatten(), **dense)
    if name == "wrn16":
        head = {"norm": nn.BatchNorm2d(64), "relu": nn.ReLU(), **_pooled()}
        stages = _stages(WideBlock, 16, (16, 32, 64))
        return Layers(stem=_conv(3, 16), **stages, head=Layers(**head, dense=nn.Linear(64, 10)))
    stages = _stages(BasicBlock, 64, (64, 128, 256, 512))
    return Layers(
        stem=_normed(3, 64), relu=nn.ReLU(), **stages, **_pooled(), head=nn.Linear(512, 10)
    )


def fill(made: nn.Module, params: Any) -> nn.Module:
    """A network with parameters of ours."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        *where, kind = (key.key for key in path)
        layer = made.get_submodule(".".join(where))
        value = np.asarray(leaf)
        if value.ndim > 1:
            value = value.transpose((3, 2, 0, 1) if value.ndim == 4 else (1, 0))
        target: Any = layer.bias if kind == "bias" else layer.weight
        with torch.no_grad():
            target.copy_(torch.from_numpy(value.copy()))
    return made


def _device() -> torch.device:
    return torch.device("cpu" if jax.default_backend() == "cpu" else "cuda")


def _begin(network: Network) -> tuple[list[Any], torch.Tensor, torch.Tensor, torch.Tensor]:
    """The models, the data, and the rows of each step."""
    made = []
    for i in range(network.models):
        own = jax.tree.map(lambda leaf, i=i: leaf[i], network.start.params)
        made.append(fill(module(network.name), own).to(_device()))
    x, y = network.data
    images = torch.from_numpy(np.moveaxis(x, -1, 1).copy() if network.images else x)
    rows = torch.from_numpy(network.batches)
    return made, images.to(_device()), torch.from_numpy(y).to(_device()), rows.to(_device())


def one_by_one(
    network: Network,
    threads: int,
    *,
    channels_last: bool = False,
    bfloat16: bool = False,
    compiler: str | None = None,
) -> Contestant:
    """One model after another.

    Args:
        network: what is trained.
        threads: of a CPU.
        channels_last: the format of images in memory.
        bfloat16: whether forward passes are under autocast to it.
        compiler: the backend of `torch.compile`, by which forward and backward passes go; None is
            eager. All models share one program.
    """
    made, x, y, batches = _begin(network)
    if channels_last:
        x = x.to(memory_format=torch.channels_last)
        made = [one.to(memory_format=torch.channels_last) for one in made]
    rules = [torch.optim.SGD(one.parameters(), lr=RATE, momentum=MOMENTUM) for one in made]

    device = _device().type  # here: a compiler would trace JAX

    def eager(own: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        with torch.autocast(device, torch.bfloat16, enabled=bfloat16):
            return cross_entropy(own(images), labels)

    loss_of = torch.compile(eager, backend=compiler) if compiler else eager

    def run() -> np.ndarray:
        torch.set_num_threads(threads)
        losses = []
        for own, rule, rows in zip(made, rules, batches, strict=True):
            for batch in rows:
                rule.zero_grad(set_to_none=True)
                loss = loss_of(own, x[batch], y[batch])
                loss.backward()
                rule.step()
                losses.append(loss.detach())
        return torch.stack(losses).reshape(network.models, -1).mean(dim=1).cpu().numpy()

    return Contestant(run)


def torch_func(network: Network) -> Contestant:
    """The gradient of all models at once; batch norm keeps no running statistics there."""
    made, x, y, batches = _begin(network)
    made = [torch.func.replace_all_batch_norm_modules_(one) for one in made]
    stacked, _ = torch.func.stack_module_state(made)
    params = {name: value.detach() for name, value in stacked.items()}
    trace = {name: torch.zeros_like(value) for name, value in params.items()}
    base = copy.deepcopy(made[0]).to("meta")

    def loss(own: Any, images: torch.Tensor, labels: torch.Tensor) -> Any:
        value = cross_entropy(torch.func.functional_call(base, own, (images,)), labels)
        return value, value

    gradient = torch.func.vmap(torch.func.grad(loss, has_aux=True))

    def run() -> np.ndarray:
        torch.set_num_threads(os.cpu_count() or 1)
        losses = []
        for batch in batches.unbind(1):
            slopes, values = gradient(params, x[batch], y[batch])
            for name, slope in slopes.items():
                trace[name].mul_(MOMENTUM).add_(slope)
                params[name].sub_(trace[name], alpha=RATE)
            losses.append(values)
        return torch.stack(losses).mean(dim=0).cpu().numpy()

    return Contestant(run)
