"""The one error that users are meant to read."""


class InputError(Exception):
    """Something the user gave cannot be used. Ends a command with one line and exit code 2, never a traceback.

    The message names the thing, the place and the next step:
    ``card my_shop: 412 rows have label 6, which belongs to no class; add it under labels``.
    """
