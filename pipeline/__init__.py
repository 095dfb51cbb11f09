"""The house behind the story: the machine that runs stages, and the rooms where the craft is done.

``Predictor`` puts the model that came out to use, ``RetoneClassifier`` is an arm of a recipe as an estimator of
scikit-learn's kind; what cannot be used raises ``InputError``.
"""

from typing import TYPE_CHECKING, Any

from pipeline.common.errors import InputError

if TYPE_CHECKING:
    from pipeline.estimator import RetoneClassifier
    from pipeline.predictor import Predictor

__all__ = ["InputError", "Predictor", "RetoneClassifier"]


def __getattr__(name: str) -> Any:
    """Both once they are asked for: they bring torch, which the machine does without."""
    if name == "Predictor":
        from pipeline.predictor import Predictor

        return Predictor
    if name == "RetoneClassifier":
        from pipeline.estimator import RetoneClassifier

        return RetoneClassifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
