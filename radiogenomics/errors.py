"""The errors that are told in one sentence, without a traceback."""


class InputError(ValueError):
    """Bad input, told in one sentence: the file, field or flag, the value found, and what was expected."""


class OutputError(OSError):
    """Something cannot be written: the file or folder and the reason; what stood there before is intact."""


def is_exhausted(error):
    """Whether an exception says that the memory is exhausted: Python's, or XLA's on a host or an accelerator."""
    of_xla = type(error).__name__ == "JaxRuntimeError" and "RESOURCE_EXHAUSTED" in str(error)
    return isinstance(error, MemoryError) or of_xla


class TrainingStopped(RuntimeError):
    """Training cannot go on; what was saved before is intact."""

    status = 1  # of the process that ends with it


class Preempted(TrainingStopped):
    """Training was asked to stop and has saved its state."""

    status = 143  # what a shell reports of a process that SIGTERM ended
