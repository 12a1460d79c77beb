"""The one error that a user's input can cause."""


class InputError(ValueError):
    """Bad input, told in one sentence: the file, field or flag, the value found, and what was expected."""


class TrainingStopped(RuntimeError):
    """Training cannot go on; what was saved before is intact."""
