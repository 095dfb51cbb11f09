"""From data cards to prepared corpora: read, labelled, split, audited."""
