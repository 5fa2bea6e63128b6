"""The choice among classifiers: candidates, folds, calibration, priors and a time budget.

    result = textssl.fit(labeled, unlabeled)

The package is called as a function, which is :func:`textssl.fit.function.fit`.
"""

from __future__ import annotations

import sys
from inspect import signature
from types import ModuleType

from .classifier import fit_classifier
from .from_names import fit_from_names
from .function import fit
from .result import FitResult


__all__ = ["FitResult", "fit", "fit_classifier", "fit_from_names"]


class _CallablePackage(ModuleType):
    """This package, called as :func:`fit`: an import of any of its modules makes ``textssl.fit`` the package."""

    __call__ = staticmethod(fit)
    __signature__ = signature(fit)


sys.modules[__name__].__class__ = _CallablePackage
