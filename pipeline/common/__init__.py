"""Words and small tools that every room uses; knows none of them.

errors      what the user can cause, in one line
labels      the three classes, and the two floors
arms        which arms are the ladder, and which one is taken away
languages   codes of languages, as cards say them
files       whole files of JSON, digests, who holds what
growing     long files that go on where they were broken off
results     JSON that is declared and checked
printable   text of unknown origin, made safe
hub         what lies on the Hugging Face Hub
settings    settings that belong together
story       the stages, for what needs them as a whole
yaml        plain YAML, and the front matter of cards
validation  problems of settings and cards in words, the nearest name beside them
cache       answers remembered by what was asked
extras      packages that only some want
processes   those that others have started do not outlive them
program     what people type, in a clone and where the package is installed
"""
