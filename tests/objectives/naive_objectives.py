"""The published formulas of the objectives, written out in NumPy, one example at a time."""

import numpy as np


def softmax(row):
    powers = np.exp(row - row.max())
    return powers / powers.sum()


def cross_entropy(row, target):
    """-sum of t log p, where t may be a class or probabilities."""
    p = softmax(row)
    if np.ndim(target) == 0:
        return -np.log(p[target])
    return -sum(t * np.log(q) for t, q in zip(target, p, strict=True))


def entropy(row):
    return -sum(p * np.log(p) for p in softmax(row) if p > 0)


def label_smoothing(z, y, *, smoothing):
    losses = []
    for row, label in zip(z, y, strict=True):
        target = np.full(len(row), smoothing / len(row))
        target[label] += 1 - smoothing
        losses.append(cross_entropy(row, target))
    return np.mean(losses)


def confidence_penalty(z, y, *, weight):
    return np.mean(
        [cross_entropy(r, label) - weight * entropy(r) for r, label in zip(z, y, strict=True)]
    )


def flattened_target(row, label, upper):
    on_label = min(softmax(row)[label], upper)
    target = np.full(len(row), (1 - on_label) / (len(row) - 1))
    target[label] = on_label
    return target


def relaxloss(z, y, *, alpha, upper, epoch):
    mean = np.mean([cross_entropy(row, label) for row, label in zip(z, y, strict=True)])
    if epoch % 2 == 0:
        return abs(mean - alpha)
    if mean > alpha:
        return mean
    terms = []
    for row, label in zip(z, y, strict=True):
        wrong = 0.0 if np.argmax(row) == label else 1.0
        soft = cross_entropy(row, flattened_target(row, label, upper))
        terms.append(wrong * soft - cross_entropy(row, label))
    return np.mean(terms)


def relaxloss_of_the_authors(z, y, *, alpha, upper, epoch):
    count = epoch + 1
    mean = np.mean([cross_entropy(row, label) for row, label in zip(z, y, strict=True)])
    if count % 2 == 0:
        return abs(mean - alpha)
    if mean > alpha:
        return mean
    pairs = zip(z, y, strict=True)
    return np.mean([cross_entropy(r, flattened_target(r, label, upper)) for r, label in pairs])


def soft_label_entropy(q, classes):
    label = np.array([1 - q] + [q / (classes - 1)] * (classes - 1))
    return -sum(p * np.log(p) for p in label if p > 0)


def least_share(gamma, classes):
    """By halving, until float64 can tell no more."""
    low, high = 0.0, 1 - 1 / classes
    for _ in range(200):
        middle = (low + high) / 2
        if soft_label_entropy(middle, classes) >= gamma * np.log(classes):
            high = middle
        else:
            low = middle
    return high


def hamp(z, y, *, gamma, alpha):
    classes = z.shape[1]
    q = least_share(gamma, classes)
    divergences, rewards = [], []
    for row, label in zip(z, y, strict=True):
        target = np.full(classes, q / (classes - 1))
        target[label] = 1 - q
        for t, p in zip(target, softmax(row), strict=True):
            divergences.append(t * (np.log(t) - np.log(p)) if t > 0 else 0.0)
        rewards.append(entropy(row))
    return np.mean(divergences) - alpha * np.mean(rewards)


def ccl(z, y, *, alpha, beta, form):
    losses = []
    for row, label in zip(z, y, strict=True):
        p = softmax(row)[label]
        concave = np.exp(p) if form == "exponential" else p + p * p / 2
        losses.append(beta * (alpha * -np.log(p) - (1 - alpha) * concave))
    return np.mean(losses)


def distillation(z, soft, *, temperature):
    losses = []
    for row, answer in zip(z, soft, strict=True):
        q = softmax(np.log(answer) / temperature)
        p = softmax(row / temperature)
        losses.append(sum(a * (np.log(a) - np.log(b)) for a, b in zip(q, p, strict=True)))
    return temperature**2 * np.mean(losses)


def mixup(z, soft):
    return np.mean([cross_entropy(row, target) for row, target in zip(z, soft, strict=True)])


def mixup_mmd(z, soft, reference, *, weight, bandwidth):
    half = len(z) // 2
    members = [softmax(row) for row in z[:half]]
    others = [softmax(row) for row in reference]

    def kernel_mean(left, right):
        values = [np.exp(-np.sum((a - b) ** 2) / (2 * bandwidth**2)) for a in left for b in right]
        return np.mean(values)

    mmd = kernel_mean(members, members) + kernel_mean(others, others)
    mmd -= 2 * kernel_mean(members, others)
    return mixup(z[half:], soft[half:]) + weight * mmd


def membership(layers, row, label):
    """The inference network's probability that an example is a member."""
    signal = np.concatenate([softmax(row), np.eye(len(row))[label]])
    for kernel, bias in layers[:-1]:
        signal = np.maximum(signal @ kernel + bias, 0)
    kernel, bias = layers[-1]
    return 1 / (1 + np.exp(-(signal @ kernel + bias)[0]))


def adversarial_regularisation(z, y, layers, *, weight):
    chances = [membership(layers, row, label) for row, label in zip(z, y, strict=True)]
    losses = [cross_entropy(row, label) for row, label in zip(z, y, strict=True)]
    return np.mean(losses) + weight * (np.mean(chances) - 0.5)


def inference_loss(layers, z, y, other_z, other_y):
    members = [-np.log(membership(layers, r, label)) for r, label in zip(z, y, strict=True)]
    others = [
        -np.log(1 - membership(layers, r, label)) for r, label in zip(other_z, other_y, strict=True)
    ]
    return (np.mean(members) + np.mean(others)) / 2


def bounded(vector, t):
    return vector / (1 + t * np.sqrt(np.sum(vector**2)))


def centre_distance(z, y, centres, *, alpha, upper, t, epoch):
    count = epoch + 1
    squares, pulls = [], []
    for row, label in zip(z, y, strict=True):
        feature, centre = bounded(row, t), bounded(centres[label], t)
        p = min(softmax(row)[label], upper)
        squares.append(np.sum((feature - centre) ** 2) / 2)
        pulls.append(p * squares[-1] + (1 - p) * np.sum(feature**2) / 2)
    mean = np.mean(squares)
    if count % 2 == 0:
        return abs(mean - alpha)
    return mean if mean > alpha else np.mean(pulls)


def crl(z, y, centres, *, alpha, upper, t, weight, centre_alpha, centre_upper, centre_t, epoch):
    count = epoch + 1
    short = np.array([bounded(row, t) for row in z])
    mean = np.mean([cross_entropy(row, label) for row, label in zip(short, y, strict=True)])
    if count % 2 == 0:
        first = abs(mean - alpha)
    elif mean > alpha:
        first = mean
    else:
        targets = [flattened_target(row, label, upper) for row, label in zip(z, y, strict=True)]
        pairs = zip(short, targets, strict=True)
        first = np.mean([cross_entropy(row, target) for row, target in pairs])
    second = centre_distance(
        z, y, centres, alpha=centre_alpha, upper=centre_upper, t=centre_t, epoch=epoch
    )
    return first + weight * second


def differences(function, values, step=1e-6):
    """The gradient of a function of one array by central differences, in float64."""
    gradient = np.zeros_like(values)
    for place in np.ndindex(values.shape):
        moved = []
        for sign in (1, -1):
            copy = values.copy()
            copy[place] += sign * step
            moved.append(function(copy))
        gradient[place] = (moved[0] - moved[1]) / (2 * step)
    return gradient
