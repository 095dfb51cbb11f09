"""Everything that touches weights: models, embeddings, layers, batches, training, scoring."""
