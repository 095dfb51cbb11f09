"""What do emoji mean to the model?

run              polarity and effects, of all models
reference        what people mean by an emoji
counterfactuals  texts whose emoji are changed
ask              how far an emoji pulls a sentence
score            agreement with people, and effects on answers
results          emoji.json
show             table and map
"""
