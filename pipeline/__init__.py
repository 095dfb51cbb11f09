"""The house behind the story: the machine that runs stages, and the rooms where the craft is done.

``Predictor`` puts the model that came out to use; what cannot be used raises ``InputError``.
"""

from typing import TYPE_CHECKING, Any

from pipeline.common.errors import InputError

if TYPE_CHECKING:
    from pipeline.predictor import Predictor

__all__ = ["InputError", "Predictor"]


def __getattr__(name: str) -> Any:
    """``Predictor`` once it is asked for: it brings torch, which the machine does without."""
    if name == "Predictor":
        from pipeline.predictor import Predictor

        return Predictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
