"""Which of the three issues does an arm have, and what helps?

symptoms    the figures that are looked at
rules       what follows from them, by ``rules.yaml``
show        what to type next
"""
