"""A walk through the Location-30 study; docs/execute_page.py makes a page of it."""

# %% [markdown]
# # A walk through Location-30
#
# After this page you can read the files of a run from Python, and compute its tables and verdicts yourself.
#
# Check-ins of some thousand people, a small network that says what group a person belongs to, and an attacker who asks: was this
# person in the training set? This page reads what the study has left in its run directory. Every number below was printed by the code
# above it. To make it yourself, with a file `location30.npz` of `x` (5010, 446) and `y` (5010,):
#
# ```sh
# pptp run experiments/location30.py --data location30.npz
# python docs/execute_page.py docs/location30_walkthrough.py runs/location30 docs/location30_walkthrough.md
# ```
#
# ## What was trained

# %%
import json

import numpy as np

results = json.loads((RUN / "results.json").read_text())
rows = {row["slug"]: row for row in results["rows"]}
print(results["data"]["examples"], "people,", results["data"]["classes"], "groups")
print(results["models"], "models a recipe,", results["members"], "members each")
print(len(rows), "recipes,", round(results["seconds"] / 60), "minutes on", results["device"])

# %% [markdown]
# The people are dealt out so that each is a member of half of the models. Every model is attacked in turn, and the others help: they
# are the shadows that an attacker would train.
#
# ## What leaks without a defence

# %%
plain = next(row for row in results["rows"] if row["recipe"] == "undefended")
for split in ("train", "test"):
    print(f"{split} accuracy {plain[split + '_accuracy']['value']:.3f}")


def shown(estimate):
    if estimate["value"] is None:
        return "n/a"
    return f"{estimate['value']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]"


for name, attack in plain["attacks"].items():
    print(f"{name:14} AUC {shown(attack['auc'])}   TPR at 1 % FPR {shown(attack['tpr@0.01'])}")

# %% [markdown]
# An AUC of .5 would be chance. In brackets are 95 % intervals over models and people.
#
# ## Where that comes from
#
# φ, the logit of the confidence in the right label, of one model:

# %%
import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

phi = np.load(RUN / "signals" / f"{plain['slug']}.npy")
membership = np.load(RUN / "signals" / "membership.npy")
figure, axes = plt.subplots(figsize=(7, 2.6), layout="constrained")
bins = np.linspace(*np.quantile(phi[0, 0], [0.005, 0.995]), 60)
axes.hist(phi[0, 0, membership[0]], bins, alpha=0.6, label="members")
axes.hist(phi[0, 0, ~membership[0]], bins, alpha=0.6, label="non-members")
axes.set(xlabel="φ", ylabel="people")
axes.legend(frameon=False)
figure.savefig(HERE / "walkthrough_phi.png", dpi=110, metadata={"Software": None})

# %% [markdown]
# ![φ of members and non-members of one undefended model](walkthrough_phi.png)
#
# LiRA asks more than whether φ is large: whether it is large *for this person*, next to the models that had them and those that had
# not. By hand, from the stored signals alone:

# %%
from pptp_jax.attacks import ATTACKS, attack_targets
from pptp_jax.metrics import auc, roc

by_hand = attack_targets(ATTACKS["lira_online"], phi, membership, targets=range(len(phi)))
print("LiRA by hand", round(auc(roc(by_hand, membership)), 3))
print("a threshold on φ", round(auc(roc(phi[:, 0], membership)), 3))

# %% [markdown]
# ## The control that is hard to beat
#
# Early stopping leaks less, and loses accuracy. A defence has to do better than that.

# %%
for row in results["rows"]:
    if row["recipe"] in ("undefended", "early_stopped"):
        strength = row["attacks"][results["compared"]]["auc"]["value"]
        accuracy = row["test_accuracy"]["value"]
        print(f"{row['epochs']:>3} epochs: accuracy {accuracy:.3f}, AUC {strength:.3f}")

# %% [markdown]
# ## At equal attack strength
#
# So methods are compared along curves. A curve has a point for each strength of a defence and each stop on the way; up and to the left
# is better.

# %%
figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
drawn = [c for c in results["curves"] if c["name"].startswith(("early", "freeze"))]
drawn = [c for c in drawn if "(" not in c["name"] and len(c["points"]) > 1][:4]
for curve in drawn:
    points = sorted((p["auc"]["value"], p["utility"]["value"]) for p in curve["points"])
    axes.plot(*zip(*points, strict=True), ".", ms=9, alpha=0.8, label=curve["name"])
axes.set(xlabel="AUC of LiRA", ylabel="test accuracy")
axes.legend(frameon=False)
figure.savefig(HERE / "walkthrough_curves.png", dpi=110, metadata={"Software": None})

# %% [markdown]
# ![Accuracy over the AUC of LiRA, early stopping and freezing](walkthrough_curves.png)
#
# Along the hulls of such curves the run has compared every method with its control, and says so in a sentence that comes out either
# way:

# %%
import textwrap

names = {curve["name"] for curve in drawn}
for found in results["comparisons"]:
    if found["statistic"] == "auc" and {found["a"], found["b"]} <= names:
        print(textwrap.fill("- " + found["verdict"], width=100, subsequent_indent="  "))

# %% [markdown]
# ## What to take along
#
# All defences, controls and the risk map are in [what we found](findings.md), with what speaks against us. How the attacks work is in
# [attacks](attacks.md), what the intervals cover in [metrics](metrics.md). The same study on your data needs another
# [file](own.md) and one command.
