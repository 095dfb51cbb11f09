"""What a user would try before tuning a BERT: each floor's key, as artifacts have it, and its name for people."""

FLOORS = {"tfidf": "TF-IDF floor", "features": "feature floor"}
