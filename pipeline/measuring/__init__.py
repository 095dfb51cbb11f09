"""What is measured, a room a question.

reviews/         how well are the classes told apart?
general/         how much general English was kept?
layers/          what do the layers know, and how far did they move?
emoji/           what do emoji mean to the model?
frontier/        what can be had between the base and the tuned model?
sweep/           how do the figures move with one setting?
diagnosis/       which of the three issues does an arm have, and what helps?
transferability  which model is the best to start from?
domains          are source and target told apart?
runs/            what evaluate wrote, of all arms and seeds, and of two runs
statistics/      how sure is a figure, and what is apart from what?
scoring          forward passes that score
masks            which pieces of which texts are hidden
options          what measuring asks to be told

In a room, ``ask`` puts questions to models, ``score`` is arithmetic on the answers, ``show`` makes tables and pictures
of them, and ``run`` does what the stage needs.
"""
