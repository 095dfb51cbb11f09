"""The house behind the story: the machine that runs stages, and the rooms where the craft is done."""
