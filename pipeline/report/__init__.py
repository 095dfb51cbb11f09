"""From figures to what people look at: pages, cards, CSV, the terminal.

pages            report.html, and what lies beside them
answers          the first screen
gallery          every picture
summary          the report in a terminal's width
steps            what each step took and gained, and the controls
training_tables  the tables about the models
backward         a model tuned on: old reviews and new ones
languages        what was left out for the language
corpora_tables   the tables about the corpora
comparison       two runs side by side
history          the runs of a store
new_reviews      a model's score on reviews that came later
csv_export       tables as CSV
model_card       the card beside a model
results          report.json
collect          what the stages wrote about themselves
templates/       the pages' and the card's form
"""
