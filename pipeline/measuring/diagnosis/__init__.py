"""Which of the three issues does an arm have, and what helps?"""
