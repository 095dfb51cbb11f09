"""BERTs: loading, what they compute, what they are fed. Trains and scores nothing."""
