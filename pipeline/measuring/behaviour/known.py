"""All behaviours that are asked, by the name under which behaviour.json has them."""

from pipeline.measuring.behaviour import negation, writing
from pipeline.measuring.behaviour.asked import Behaviour

BEHAVIOURS: dict[str, Behaviour] = {"negation": negation.BEHAVIOUR, "writing": writing.BEHAVIOUR}
