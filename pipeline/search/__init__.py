"""Which recipe is the best for these reviews: trials of its settings, by two objectives, with Optuna.

run      trial after trial, for as long or as many as are asked
study    what was tried, in a journal that outlives its process, and what to try next
trials   a trial: a run of the machine that ends before any test text is read
space    which values a setting may take here, refused before anything runs
show     the page, its pictures and tables
luck     what is to be expected of the best's lead
best     best.yaml, and what that got on test
results  search.json
"""
