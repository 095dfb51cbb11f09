"""Reading and cleaning what people wrote: normalisation, emoji, corpora, splits and leaks."""
