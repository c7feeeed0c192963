"""Attacks networks that PyTorch has trained, by their logits: the AUC of LiRA. Needs PyTorch."""

import numpy as np

from pptp_jax.data import Balanced, Digits
from pptp_jax.evaluation import attack

data, split = Digits().load(examples=400), Balanced(models=8).draw(400, seed=0)


def train_in_pytorch(x, y, members, seed):
    """The logits (examples, classes), on all of x, of a network that has learned its members."""
    import torch

    torch.manual_seed(seed)
    x, y = torch.as_tensor(x), torch.as_tensor(y, dtype=torch.long)
    layers = torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10)
    model = torch.nn.Sequential(torch.nn.Flatten(), *layers)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(100):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x[members]), y[members]).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        return model(x).numpy()


def audit(train):
    """The AUC of LiRA, each network attacked with the others as its shadows."""
    x = data.inputs()
    logits = [train(x, data.y, rows, seed) for seed, rows in enumerate(split.members)]
    given = {"logits": np.stack(logits)}  # (models, examples, classes)
    return attack(given, split, data.y, attacks=["lira_online"])["lira_online"].auc


if __name__ == "__main__":
    print("LiRA:", audit(train_in_pytorch))
