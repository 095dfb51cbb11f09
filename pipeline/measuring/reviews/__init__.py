"""How well are the classes told apart?

run               predictions of a model and of the floors, stored and scored
results           scores.json
score             the table of scores
tfidf_baseline    the floor of word and character TF-IDF
feature_baseline  the floor of features of the frozen base
slices            on which texts a model fails
calibration       whether its confidence can be taken at its word
mistakes          the mistakes it is surest of
doubtful          labels that are probably wrong
show              tables and pictures of these
"""
