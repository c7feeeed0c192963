"""What does a fleet of LoRA adapters save over one full fine-tuning after another?

M models of one Llama-type decoder take Adam steps on sequences of their own, gathered from data
that all share:

- full, one after another: all weights of one model after the other, as one would fine-tune without
  a fleet; the baseline;
- LoRA, one after another: adapters, likewise; what they save by themselves;
- LoRA fleet, scan and vmap: our fleet, which keeps the base once;
- PyTorch with `peft`, one after another: the same network of `transformers` with adapters of the
  same rank beside the same kernels, eager, on a CPU with all threads; only where torch,
  transformers and peft are installed.

Before anything is timed, the losses of LoRA alone and of its fleets must agree, and every loss must
be a number. All are timed in turn, in both orders, behind a warm-up; of the ratios of the pairs the
median and the quartiles are given. The memory is that of the compiled program, arguments, outputs
and temporaries, over its models: of what is trained one after another that is one model's, which
the other models need again.

    PYTHONPATH=. python benchmarks/language.py [--quick] [--json FILE] [--models M] [--gguf FILE]

Without `--gguf` the decoder has random weights (width 256, 4 blocks, 4,096 tokens); `--gguf` takes
published ones, such as SmolLM2-135M's, which a CPU trains at about a sequence a second.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from rows import Table, command, in_turn, planned

from pptp_jax.data import Arrays, Dataset
from pptp_jax.models import Model, llama, llama_from_gguf, lora
from pptp_jax.training import Strategy, Trainer, undefended
from pptp_jax.training.batched_programs import GroupRules, epoch_of_group, start_group
from pptp_jax.training.optimizer import phase_optimizer

RANK, RATE = 8, 1e-3
PYTORCH = ("torch", "transformers", "peft")


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is trained.

    Attributes:
        models: the models.
        steps: the steps of each, between two readings of the clock.
        batch: the sequences of a step.
        length: the tokens of a sequence.
    """

    models: int
    steps: int
    batch: int
    length: int

    @property
    def tokens(self) -> int:
        """All that is seen between two readings."""
        return self.models * self.steps * self.batch * self.length


@dataclass(frozen=True, kw_only=True)
class Way:
    """A way to train all models.

    Attributes:
        run: trains them for some steps more; gives each model's loss.
        memory: the bytes a model as compiled; None where nobody plans it.
    """

    run: Callable[[], np.ndarray]
    memory: float | None


def draw(vocab: int, size: Size) -> tuple[Arrays, jax.Array]:
    """Random sequences, and who learns which of them."""
    rng = np.random.default_rng(0)
    members = size.steps * size.batch
    tokens = rng.integers(0, vocab, (2 * members, size.length + 1))
    x, y, ids = tokens[:, :-1], tokens[:, 1:], np.arange(2 * members).astype(str)
    data = Dataset("random", x, y, ids, None, vocabulary=vocab)
    own = np.stack([np.sort(rng.permutation(2 * members)[:members]) for _ in range(size.models)])
    return Arrays.of(data), jnp.asarray(own)


def in_jax(model: Model, size: Size, strategy: Strategy, group: int) -> Way:
    """Groups of `group` models, one after another.

    Args:
        model: what is trained.
        size: how much.
        strategy: how a group is.
        group: the models of a group; it divides all.
    """
    plain = next(c for c in _configs(model) if "vocab" in c)
    data, members = draw(plain["vocab"], size)
    [phase] = undefended(1).phases
    rules = GroupRules(
        Trainer(model, None, size.batch), phase_optimizer(optax.adam(RATE)), strategy
    )
    keys = jax.random.split(jax.random.key(0), size.models)
    parts = [slice(i, i + group) for i in range(0, size.models, group)]
    states = [start_group(rules, phase, None, keys[p], data, members[p], None) for p in parts]
    one = rules, phase, states[0], data, members[parts[0]], keys[parts[0]], 0, 0
    program = epoch_of_group.lower(*one).compile()
    plan = planned(program)
    memory = plan.argument_size_in_bytes + plan.output_size_in_bytes + plan.temp_size_in_bytes

    def run() -> np.ndarray:
        losses = []
        for i, part in enumerate(parts):
            states[i], loss = program(
                rules, phase, states[i], data, members[part], keys[part], 0, 0
            )
            losses.append(np.asarray(loss))
        return np.concatenate(losses)

    return Way(run=run, memory=(memory - plan.alias_size_in_bytes) / group)


def _configs(model: Model) -> list[Any]:
    config: Any = model.config
    found = []
    while config:
        found.append(config)
        config = config.get("model")
    return found


def in_pytorch(config: Any, size: Size) -> Way:
    """Adapters by `peft` on the network of `transformers`, one model after another."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    known = LlamaConfig(
        vocab_size=config["vocab"],
        hidden_size=config["width"],
        intermediate_size=config["hidden"],
        num_hidden_layers=config["depth"],
        num_attention_heads=config["heads"],
        num_key_value_heads=config["kv_heads"],
        max_position_embeddings=config["context"],
        tie_word_embeddings=config["tied"],
    )
    kernels = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    adapters = LoraConfig(r=RANK, lora_alpha=RANK, target_modules=kernels)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    data, members = draw(config["vocab"], size)
    x, y = (
        torch.asarray(np.array(part), dtype=torch.long, device=device) for part in (data.x, data.y)
    )
    rows = np.array(members).reshape(size.models, size.steps, size.batch)
    # All models share one base: only adapters and their moments change hands.
    network = get_peft_model(LlamaForCausalLM(known), adapters).to(device)
    trained = [leaf for leaf in network.parameters() if leaf.requires_grad]
    begun = [[leaf.detach().clone() for leaf in trained] for _ in range(size.models)]
    rules = [torch.optim.Adam(trained, lr=RATE).state_dict() for _ in range(size.models)]
    optimizer = torch.optim.Adam(trained, lr=RATE)

    def run() -> np.ndarray:
        losses = []
        for i in range(size.models):
            with torch.no_grad():
                for leaf, value in zip(trained, begun[i], strict=True):
                    leaf.copy_(value)
            optimizer.load_state_dict(rules[i])
            total = 0.0
            for batch in rows[i]:
                own = torch.asarray(batch, device=device)
                logits = network(input_ids=x[own]).logits
                loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), y[own].flatten())
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += float(loss.detach())
            begun[i] = [leaf.detach().clone() for leaf in trained]
            rules[i] = optimizer.state_dict()
            losses.append(total / len(rows[i]))
        return np.array(losses)

    return Way(run=run, memory=None)


def check(ways: dict[str, Way]) -> None:
    """Refuses to compare what does not learn, or a fleet that learns something else."""
    losses = {name: way.run() for name, way in ways.items()}
    for name, found in losses.items():
        if not np.isfinite(found).all():
            raise SystemExit(f"the losses of {name} are {found}")
        if name.startswith("LoRA") and not np.allclose(
            found, losses["LoRA, one after another"], 1e-3
        ):
            raise SystemExit(f"the losses of {name}, {found}, are not those of LoRA alone")


def measure(plain: Model, size: Size, repetitions: int, show: Table) -> None:
    """All rows."""
    adapted = lora(plain, RANK, x=jax.ShapeDtypeStruct((1, size.length), "int32"))
    scan, vmap = Strategy(order="scan"), Strategy(order="vmap")
    first = "full, one after another"
    ways = {
        first: in_jax(plain, size, scan, 1),
        "LoRA, one after another": in_jax(adapted, size, scan, 1),
        "LoRA fleet, scan": in_jax(adapted, size, scan, size.models),
        "LoRA fleet, vmap": in_jax(adapted, size, vmap, size.models),
    }
    if missing := [name for name in PYTORCH if find_spec(name) is None]:
        print(f"PyTorch with peft is left out: {', '.join(missing)} is not installed here")
    else:
        ways["PyTorch with peft, one after another"] = in_pytorch(_configs(plain)[-1], size)
    check(ways)
    weights = sum(leaf.size for leaf in jax.tree.leaves(plain.shapes(jnp.zeros((1, 1), int))))
    show("weights of the base", weights, "weights")
    times = in_turn({name: way.run for name, way in ways.items()}, repetitions)
    for name, taken in times.items():
        show(name, size.tokens / taken, "tokens/s")
        if name != first:
            show(f"{name}, speed over full", times[first] / taken, "x", first)
        memory, full = ways[name].memory, ways[first].memory
        if memory is not None and full is not None:
            show(f"{name}, memory a model", memory / 2**20, "MiB")
            if name != first:
                show(f"{name}, memory a model over full", memory / full, "x", first)


def main() -> None:
    """Measures, prints and stores."""
    parser = command(__doc__)
    parser.add_argument("--models", type=int, help="default: 16, 4 if quick")
    parser.add_argument("--gguf", type=Path, metavar="FILE", help="published weights")
    parser.add_argument("--repetitions", type=int, help="default: 9, 3 if quick")
    options = parser.parse_args()
    models = options.models or (4 if options.quick else 16)
    repetitions = options.repetitions or (3 if options.quick else 9)
    if options.gguf:
        plain = llama_from_gguf(options.gguf)
        size = Size(models=models, steps=1 if options.quick else 2, batch=2, length=64)
    elif options.quick:
        plain = llama(512, width=64, depth=2, heads=4, kv_heads=2, hidden=176, context=32)
        size = Size(models=models, steps=2, batch=4, length=32)
    else:
        plain = llama(4096, width=256, depth=4, heads=4, kv_heads=2, hidden=688, context=64)
        size = Size(models=models, steps=2, batch=8, length=64)
    with Table(options.json, "jax", "flax", "optax") as show:
        print(f"{size.models} models, {size.steps} steps of {size.batch} x {size.length} tokens")
        measure(plain, size, repetitions, show)


if __name__ == "__main__":
    main()
