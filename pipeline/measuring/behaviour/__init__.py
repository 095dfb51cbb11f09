"""Does the tuned model do what a reader would, on texts that were made to ask it?

asked     what a behaviour is: texts, figures, a table
negation  does a "not" turn the answer?
writing   does an answer outlive how people write?
known     all of them; a new one is a module here and a line there
run       what the stage needs
results   behaviour.json
show      a table each

After Ribeiro et al. 2020, "Beyond Accuracy: Behavioral Testing of NLP Models with CheckList".
"""
