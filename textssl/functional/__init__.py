"""The loss core: pure functions on tensors, without modules, state, collectives or input/output.

B examples, C classes. ``logits`` are unnormalised, ``probs`` and ``targets`` sum to one along the
last axis, ``mask`` is ``[B]`` of 0 and 1, ``progress`` is the share of training done, in [0, 1].
Losses and masks come one per example; the caller reduces. No function waits for the device, but those of
``graph``, which look at a whole data set.
"""

from __future__ import annotations

from textssl.functional.adversarial import (
    example_norm,
    example_rms,
    normalize_perturbation,
    sign_perturbation,
)
from textssl.functional.graph import certainty, class_balance_weights, nearest_neighbors, propagate_labels
from textssl.functional.losses import entropy, kl_divergence, prior_divergence, soft_cross_entropy, squared_error
from textssl.functional.masks import confidence_mask, tsa_mask, tsa_threshold
from textssl.functional.mixing import join_masks, mix, mixup_coefficients
from textssl.functional.noise import keyed_normal, keyed_uniform
from textssl.functional.policies import agreement, bin_probs, updated_bins
from textssl.functional.priors import estimate_prior_bbse, estimate_prior_em, geometric_mean_prior, reweighed_mean
from textssl.functional.schedules import cosine_rampdown, linear_rampup, sigmoid_rampup
from textssl.functional.targets import align_distribution, guess_labels, one_hot, sharpen


__all__ = [
    "agreement",
    "align_distribution",
    "bin_probs",
    "certainty",
    "class_balance_weights",
    "confidence_mask",
    "cosine_rampdown",
    "entropy",
    "estimate_prior_bbse",
    "estimate_prior_em",
    "example_norm",
    "example_rms",
    "geometric_mean_prior",
    "guess_labels",
    "join_masks",
    "keyed_normal",
    "keyed_uniform",
    "kl_divergence",
    "linear_rampup",
    "mix",
    "mixup_coefficients",
    "nearest_neighbors",
    "normalize_perturbation",
    "one_hot",
    "prior_divergence",
    "propagate_labels",
    "reweighed_mean",
    "sharpen",
    "sigmoid_rampup",
    "sign_perturbation",
    "soft_cross_entropy",
    "squared_error",
    "tsa_mask",
    "tsa_threshold",
    "updated_bins",
]
