"""Label propagation: labels that spread over a graph of nearest neighbours.

N examples, labeled and unlabeled together, C classes. These functions look at a whole data set, once in a while:
unlike the rest of the core they may wait for the device.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from textssl.functional._checks import check_float, check_integer, check_positive, compute_dtype
from textssl.functional.targets import one_hot


__all__ = ["certainty", "class_balance_weights", "nearest_neighbors", "propagate_labels"]

# Similarities held at a time while neighbours are searched: 64 MiB in float32.
_BLOCK = 2**24


def nearest_neighbors(features: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k nearest other examples of each by cosine similarity, exactly.

    Rows are brought to norm 1. Similarities are computed in blocks, so the memory is linear in N; the time is that
    of an ``[N, D]`` by ``[D, N]`` product. An example is never its own neighbour; a duplicate of it is.

    Args:
        features: ``[N, D]``, finite, N at least 2. A row of zeros is as far from all others as a right angle.
        k: neighbours of each, 1 to N - 1.

    Returns:
        Similarities and row numbers, both ``[N, k]``, the nearest first; similarities in at least float32.

    Raises:
        ValueError: wrong rank or dtype, fewer than two rows, k out of range, or features that are not finite.
    """
    check_float("features", features, ("N", "D"))
    count = len(features)
    if count < 2:
        raise ValueError(f"features: got shape {list(features.shape)}; expected at least 2 rows")
    if not 1 <= k < count:
        raise ValueError(f"k: got {k}; expected a number in [1, {count - 1}]")
    unit = torch.nn.functional.normalize(features.to(compute_dtype(features)), dim=-1)
    if not unit.isfinite().all():
        raise ValueError("features: got nan or infinity; expected finite numbers")
    found = []
    for rows in torch.arange(count, device=unit.device).split(max(_BLOCK // count, 1)):
        similarities = unit[rows] @ unit.T
        # By its number, not its place: among duplicates it need not come first.
        similarities.scatter_(1, rows[:, None], -math.inf)
        found.append(similarities.topk(k))
    return torch.cat([values for values, _ in found]), torch.cat([indices for _, indices in found])


def propagate_labels(
    features: Tensor,
    labels: Tensor,
    num_labels: int,
    k: int = 50,
    gamma: float = 3.0,
    alpha: float = 0.99,
    neighbors: tuple[Tensor, Tensor] | None = None,
    tolerance: float = 1e-6,
    max_iterations: int = 200,
) -> tuple[Tensor, Tensor]:
    """Spread the labels of some examples to all others over the graph of nearest neighbours.

    An edge from i to its neighbour j weighs A_ij = max(s_ij, 0)^gamma; W = A + A^T without a diagonal is normalised
    to S = D^(-1/2) W D^(-1/2), and (I - alpha S) F = Y is solved for all classes at once by conjugate gradients in
    float64, where ``Y_ic = 1/|L_c|`` for the labeled examples L_c of class c. Negative entries of F become 0 and each
    row is divided by its sum. Similarities below 0 count as 0: an odd power would keep their sign.

    Args:
        features: ``[N, D]``, finite, N at least 2; brought to norm 1.
        labels: ``[N]`` integers, the class of a labeled example, or -1: unknown. Every class needs one.
        num_labels: C, at least 2.
        k: neighbours of each example; 50. At most N // 4 are taken, but at least one: with more, few examples
            would be neighbours of all.
        gamma: power of similarities; 3.
        alpha: share of a label that comes from the neighbours, in [0, 1); 0.99.
        neighbors: similarities and row numbers ``[N, k']``, found elsewhere, in place of a search; then ``features``
            and ``k`` are not looked at. Number -1 is no neighbour, and an example's own number counts as none.
        tolerance: of each class's residual, relative to its Y; 1e-6. Of an example that is far from all labels F is
            small, and what is left of the residual counts for more.
        max_iterations: most steps of the solver; at alpha 0.99 about 100 reach the tolerance.

    Returns:
        ``probs`` ``[N, C]`` and ``weight`` ``[N]``, in at least float32. A labeled example has its label and weight
        1. Another's weight is :func:`certainty`. An example that no label reaches has equal probabilities and
        weight 0.

    Raises:
        ValueError: wrong shapes or dtypes, a number out of range, a class without a labeled example, or features
            or similarities that are not finite.

    Source: Iscen et al., 2019, arXiv:1904.04717; the diffusion is that of Zhou et al., "Learning with Local and
    Global Consistency", 2004.
    """
    check_float("features", features, ("N", "D"))
    count = len(features)
    check_integer("labels", labels, (count,))
    check_positive("gamma", gamma)
    if not 0 <= alpha < 1:
        raise ValueError(f"alpha: got {alpha}; expected a number in [0, 1)")
    if k < 1:
        raise ValueError(f"k: got {k}; expected at least 1")
    seeds = _seeds(labels, num_labels)
    if neighbors is None:
        neighbors = nearest_neighbors(features, max(min(k, count // 4), 1))
    graph = _normalized_graph(*neighbors, count, gamma)
    spread = _solve(graph.to(seeds.device), seeds, alpha, tolerance, max_iterations).clamp_min(0)
    dtype, total = compute_dtype(features), spread.sum(-1, keepdim=True)
    probs = torch.where(total > 0, spread / total, 1 / num_labels).to(dtype)
    weight = torch.where(total.squeeze(-1) > 0, certainty(probs), 0)
    known = labels >= 0
    probs = torch.where(known[:, None], one_hot(labels, num_labels, dtype), probs)
    return probs, torch.where(known, 1, weight)


def certainty(probs: Tensor) -> Tensor:
    """How far each distribution is from the uniform one: 1 - H(p)/log C, divided by the largest of all.

    Args:
        probs: ``[N, C]``, rows sum to one; C at least 2.

    Returns:
        ``[N]`` in [0, 1], in at least float32: 1 for the most confident row and 0 for a uniform one; all 0 if all are.

    Raises:
        ValueError: wrong rank or dtype, or fewer than two classes.

    Source: Iscen et al., 2019, arXiv:1904.04717.
    """
    check_float("probs", probs, ("N", "C"))
    if probs.shape[1] < 2:
        raise ValueError(f"probs: got shape {list(probs.shape)}; expected at least 2 classes")
    p, dtype = probs.double(), compute_dtype(probs)
    sure = (1 + torch.special.xlogy(p, p).sum(-1) / math.log(probs.shape[1])).clamp(0, 1)
    if not len(sure):
        return sure.to(dtype)
    # What rounding leaves of a uniform row must not become the largest.
    sure = torch.where(sure < 8 * torch.finfo(probs.dtype).eps, 0, sure)
    return (sure / sure.amax().clamp_min(torch.finfo(dtype).tiny)).to(dtype)


def class_balance_weights(labels: Tensor, num_labels: int) -> Tensor:
    """(N/C) / N_c for each class c of N_c members: each class then weighs alike, and the mean example 1.

    Args:
        labels: ``[N]`` integers. N counts those outside [0, C) too.
        num_labels: C, at least 1.

    Returns:
        ``[C]`` in float32; 0 for a class without members, which no example asks for.

    Raises:
        ValueError: wrong rank or dtype of ``labels``, or ``num_labels`` below 1.

    Source: Iscen et al., 2019, arXiv:1904.04717.
    """
    check_integer("labels", labels, ("N",))
    if num_labels < 1:
        raise ValueError(f"num_labels: got {num_labels}; expected at least 1")
    members = _members(labels, num_labels)
    return torch.where(members > 0, len(labels) / num_labels / members.clamp_min(1), 0).float()


def _members(labels: Tensor, num_labels: int) -> Tensor:
    """Number of examples of each class [C] in float64; those of no class count nowhere."""
    known = labels[(labels >= 0) & (labels < num_labels)].long()
    return torch.bincount(known, minlength=num_labels).double()


def _seeds(labels: Tensor, num_labels: int) -> Tensor:
    """Y [N, C] in float64: each class's labeled examples share a mass of 1."""
    if num_labels < 2:
        raise ValueError(f"num_labels: got {num_labels}; expected at least 2")
    if len(labels) and not -1 <= int(labels.min()) <= int(labels.max()) < num_labels:
        raise ValueError(
            f"labels: got {labels.unique().tolist()}; expected classes in [0, {num_labels}), or -1 where unknown"
        )
    members = _members(labels, num_labels)
    if empty := (members == 0).nonzero().flatten().tolist():
        raise ValueError(f"labels: no labeled example of class {empty[0]}; each of {num_labels} classes needs one")
    return one_hot(labels, num_labels, torch.float64) / members


def _normalized_graph(similarities: Tensor, indices: Tensor, count: int, gamma: float) -> Tensor:
    """S [N, N], sparse, in float64."""
    check_float("neighbors[0]", similarities, (count, "k"))
    check_integer("neighbors[1]", indices, similarities.shape)
    rows = torch.arange(count, device=indices.device)[:, None].expand_as(indices)
    weights = similarities.double().clamp_min(0).pow(gamma)
    if not weights.isfinite().all():
        raise ValueError("similarities: got nan or infinity; expected finite numbers")
    if int(indices.max()) >= count:
        raise ValueError(f"neighbors[1]: got {int(indices.max())}; expected less than {count}, the number of rows")
    kept = (weights > 0) & (indices >= 0) & (indices != rows)
    edges, weights = torch.stack([rows[kept], indices[kept].long()]), weights[kept]
    both = torch.cat([edges, edges.flip(0)], dim=1)
    graph = torch.sparse_coo_tensor(both, torch.cat([weights, weights]), (count, count), check_invariants=False)
    graph = graph.coalesce()
    ends, values = graph.indices(), graph.values()
    degrees = torch.zeros(count, dtype=values.dtype, device=values.device).index_add_(0, ends[0], values)
    # An example without neighbours is in no edge.
    scale = degrees.rsqrt()
    scaled = values * scale[ends[0]] * scale[ends[1]]
    return torch.sparse_coo_tensor(ends, scaled, (count, count), is_coalesced=True, check_invariants=False)


def _solve(graph: Tensor, seeds: Tensor, alpha: float, tolerance: float, max_iterations: int) -> Tensor:
    """F [N, C] with F - alpha graph F = seeds: conjugate gradients, one operator and step lengths for each column."""
    solution = torch.zeros_like(seeds)
    residual, direction = seeds.clone(), seeds.clone()
    squares = residual.square().sum(0)
    enough = squares * tolerance**2
    for _ in range(max_iterations):
        if bool((squares <= enough).all()):
            break
        image = direction - alpha * torch.sparse.mm(graph, direction)
        curvature = (direction * image).sum(0)
        # A column that is solved exactly has no direction left.
        step = torch.where(curvature > 0, squares / curvature, 0)
        solution += step * direction
        residual -= step * image
        before, squares = squares, residual.square().sum(0)
        direction = residual + torch.where(before > 0, squares / before, 0) * direction
    return solution
