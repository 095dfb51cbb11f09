"""How much general English was kept?

run         the exam asked and scored
ask         the exam
score       what was kept, and the losses behind it
head_refit  heads refitted, to tell what is forgotten from what is said otherwise
drift       where a loss comes from, step by step
exchange    nats lost for each nat gained
results     retention.json
show        the tables
"""
