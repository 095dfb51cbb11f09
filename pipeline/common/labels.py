"""The three classes of sentiment, in the order of every table, model head and confusion matrix, and the two floors."""

LABELS = ("negative", "neutral", "positive")
LABEL_TO_ID = {label: index for index, label in enumerate(LABELS)}
ID_TO_LABEL = dict(enumerate(LABELS))
FLOORS = {"tfidf": "TF-IDF floor", "features": "feature floor"}
"""What a user would try before tuning a BERT: each floor's key, as artifacts have it, and its name for people."""
