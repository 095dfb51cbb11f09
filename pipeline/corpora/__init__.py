"""From data cards to prepared corpora: read, labelled, split, audited.

cards         a card, checked
card_files    where its rows are, confined to where they may be
schema        what a card may say
lines         a file's text as lines: unpacked, decoded, cut
tables        rows of csv and tsv
json_rows     rows of JSON
sheets        rows of Excel workbooks
readers       rows of files, and the table of their formats
cells         what a cell holds: a text, a label, nothing
hub_datasets  rows of a dataset on the Hub
texts         the texts of a corpus on disk, a batch of them in memory
corpus        a card's rows, labelled, cleaned, counted
domains       some domains of a corpus as a target of their own
splits        train, dev and test, or folds
duplicates    when two texts are the same, or nearly
passages      texts that stand inside others
audit         duplicates and leaks between corpora
shift         how far corpora are from general English
prepared      writing all that, and reading it again
stored_rows   rows as they lie on disk
guessing      what columns hold, and what must be asked
drafting      a card drafted from a file
check         cards looked over for people
new_texts     a file of texts to be labelled
"""
