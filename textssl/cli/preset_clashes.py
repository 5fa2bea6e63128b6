"""What a person sets wins over a preset: values of it that would clash are scaled or left out, and that is said."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from itertools import combinations
from typing import Any, TypeVar

from ..errors import UserError


__all__ = ["build_without_clashes", "resolve_clashes"]

T = TypeVar("T")

# Settings that say more about another one: those of a preset are for the value that the preset gives that one.
DETAILS = {"optim": ("optim_args",), "lr_scheduler_type": ("lr_scheduler_kwargs",)}
# Learning rates that a preset chose in proportion to another.
RATES = ("head_learning_rate", "warm_start_learning_rate")
# Steps within a training, which are fewer than all.
PARTS = ("warm_start_steps", "finetune_steps")
# A run needs it, and no default takes its place.
NEEDED = {"output_dir", "preset", "config"}


def resolve_clashes(
    values: dict[str, Any], preset: Mapping[str, Any], explicit: frozenset[str], defaults: Mapping[str, Any]
) -> list[str]:
    """Change ``values`` where one of the preset, or a default, is at odds with one of a person.

    Args:
        values: of all fields: a person's, else the preset's, else the default.
        preset: what the preset gives, by field.
        explicit: fields that a person set.
        defaults: of all fields, without the preset.

    Returns:
        A line for a person for each change.
    """
    clashes = _Clashes(values, preset, explicit, defaults)
    clashes.leave_out_details()
    clashes.scale_rates()
    clashes.order_bounds()
    clashes.let_the_length_decide()
    clashes.fit_parts()
    clashes.evaluate_where_the_best_is_kept()
    return clashes.notes


def build_without_clashes(
    build: Callable[[Mapping[str, Any]], T],
    values: Mapping[str, Any],
    ours: Iterable[str],
    defaults: Mapping[str, Any],
) -> tuple[T, list[str]]:
    """Build configs; where their checks refuse values of a preset beside a person's, leave out as few as will do.

    Args:
        build: makes the configs of the values of all fields.
        values: of all fields.
        ours: fields whose value is the preset's.
        defaults: of all fields, without the preset.

    Returns:
        What was built, and a line for a person for each value that was left out.

    Raises:
        UserError: a mistake that is not the preset's.
    """
    try:
        return build(values), []
    except UserError as error:
        mistake = error

    def without(names: Iterable[str]) -> T | None:
        try:
            return build({**values, **{name: defaults[name] for name in names}})
        except UserError:
            return None

    # Those that the message speaks of first.
    names = sorted({*ours} & defaults.keys() - NEEDED, key=lambda name: (name not in str(mistake), name))
    if without(names) is None:
        raise mistake
    for group in (*((name,) for name in names), *combinations(names, 2), tuple(names)):
        built = without(group)
        if built is not None:
            return built, [f"{name}: the preset's {values[name]} is left out; with it, {mistake}" for name in group]
    raise mistake


class _Clashes:
    """One rule after another, each of which changes ``values`` and adds to ``notes``."""

    def __init__(
        self,
        values: dict[str, Any],
        preset: Mapping[str, Any],
        explicit: frozenset[str],
        defaults: Mapping[str, Any],
    ) -> None:
        self.values, self.preset, self.explicit, self.defaults = values, preset, explicit, defaults
        self.notes: list[str] = []

    def leave_out_details(self) -> None:
        """Of an optimizer or a schedule that a person replaced."""
        for name, details in DETAILS.items():
            if not self._replaced(name):
                continue
            for detail in details:
                if self._is_the_presets(detail):
                    self._set(detail, self.defaults[detail], name)

    def scale_rates(self) -> None:
        """Learning rates keep their ratio to the one that a person set."""
        before, now = self.preset.get("learning_rate"), self.values.get("learning_rate")
        if not self._replaced("learning_rate") or not before:
            return
        for name in RATES:
            if self._is_the_presets(name) and self.values[name]:
                rate = float(f"{self.values[name] * now / before:.6g}") if now else self.defaults[name]
                self._set(name, rate, "learning_rate")

    def order_bounds(self) -> None:
        """``min_steps`` is at most ``step_limit``."""
        low, high = self.values.get("min_steps"), self.values.get("step_limit")
        if low is None or high is None or low <= high:
            return
        if "min_steps" in self.explicit and "step_limit" not in self.explicit:
            self._set("step_limit", low, "min_steps")
        elif "step_limit" in self.explicit and "min_steps" not in self.explicit:
            self._set("min_steps", high, "step_limit")

    def let_the_length_decide(self) -> None:
        """Passes, or bounds of steps, that a person set act although the preset counts in steps."""
        steps = self.values.get("max_steps") or -1
        if "max_steps" in self.explicit or steps <= 0 or not self._is_the_presets("max_steps"):
            return
        if "num_train_epochs" in self.explicit:
            self._set("max_steps", -1, "num_train_epochs")
            return
        low, high = self.values.get("min_steps") or 1, self.values.get("step_limit") or steps
        for name, bounded in (("min_steps", max(steps, low)), ("step_limit", min(steps, high))):
            if name in self.explicit and bounded != steps:
                self._set("max_steps", bounded, name)

    def fit_parts(self) -> None:
        """Warm-up, warm start and fine-tuning fit into the training."""
        steps = self.values.get("max_steps") or -1
        if steps <= 0:
            return
        before = self.preset.get("max_steps")
        share = steps / before if before and before > 0 else 0.1
        warm_up = self.values.get("warmup_steps")
        if self._is_the_presets("warmup_steps") and warm_up is not None and warm_up >= 1 and steps != before:
            self._set("warmup_steps", max(1, round(warm_up * share)), "max_steps")
        parts = {name: int(self.values.get(name) or 0) for name in PARTS}
        if sum(parts.values()) < steps:
            return
        ours = [name for name, count in parts.items() if count and name not in self.explicit]
        if ours:
            for name in ours:
                self._set(name, int(parts[name] * min(share, steps / (2 * sum(parts.values())))), "max_steps")
        elif "max_steps" not in self.explicit:
            asked = next(name for name, count in parts.items() if count)
            self._set("max_steps", steps + sum(parts.values()), asked)

    def evaluate_where_the_best_is_kept(self) -> None:
        """The best model is found by an evaluation for each checkpoint."""
        if not self.values.get("load_best_model_at_end") or "load_best_model_at_end" not in self.explicit:
            return
        by, wanted = "load_best_model_at_end", (self.values.get("eval_strategy"), self.values.get("save_strategy"))
        if wanted[0] != wanted[1] and "eval_strategy" not in self.explicit and wanted[1] in ("steps", "epoch"):
            self._set("eval_strategy", wanted[1], by)
        elif wanted[0] != wanted[1] and "save_strategy" not in self.explicit and wanted[0] in ("steps", "epoch"):
            self._set("save_strategy", wanted[0], by)
        every, save = self.values.get("eval_steps"), self.values.get("save_steps")
        if self.values.get("eval_strategy") != "steps" or not save or (every and save % every == 0):
            return
        if "eval_steps" not in self.explicit:
            self._set("eval_steps", save, by)
        elif every and every >= 1 and "save_steps" not in self.explicit:
            self._set("save_steps", int(math.ceil(save / every) * every), by)

    def _is_the_presets(self, name: str) -> bool:
        return name in self.preset and name not in self.explicit and name in self.values

    def _replaced(self, name: str) -> bool:
        """Whether a person set another value than the preset's."""
        return name in self.explicit and name in self.preset and self.values.get(name) != self.preset[name]

    def _set(self, name: str, value: Any, because: str) -> None:
        if self.values[name] == value:
            return
        self.notes.append(
            f"{name}: {value} instead of {self.values[name]}, to go with {because} {self.values[because]}"
        )
        self.values[name] = value
