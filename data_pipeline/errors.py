"""Errors meant for the person at the keyboard."""


class InputError(ValueError):
    """Input from outside (a file, a record, a flag, a configuration key) that cannot be used.

    The message names the file, record or key, what was expected, what was found and what to do.
    Command-line programs print the message without a traceback and exit with status 2.
    """
