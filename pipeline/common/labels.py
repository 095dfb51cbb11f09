"""The three classes of sentiment, in the order every table, model head and confusion matrix uses."""

LABELS = ("negative", "neutral", "positive")
LABEL_TO_ID = {label: index for index, label in enumerate(LABELS)}
ID_TO_LABEL = dict(enumerate(LABELS))
