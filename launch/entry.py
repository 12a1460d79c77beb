"""What the launch scripts share: flags, one-sentence errors, exit status."""

import json
import logging
import pathlib
import sys

from absl import app, flags
from absl import logging as absl_logging
from ml_collections import config_flags

from radiogenomics.errors import InputError, TrainingStopped, is_exhausted

DRY_RUN = flags.DEFINE_bool("dry_run", False, "Print the resolved configuration and exit.")
# What is defined from here on belongs to the launcher that asks for it, and so is shown by its --help.
flags.disclaim_key_flags()


def define_config(required=True):
    """The --config flag: a Python file under configs/, single fields by --config.section.key=value."""
    flag = config_flags.DEFINE_config_file("config", None, "Configuration file, for instance configs/phantom.py.")
    if required:
        flags.mark_flag_as_required("config")
    return flag


def define_folder(name, text, required=True):
    """A flag that holds a folder or file path."""
    flag = flags.DEFINE_string(name, None, text)
    if required:
        flags.mark_flag_as_required(name)
    return flag


def existing(flag):
    """The path of a flag; InputError where nothing is there."""
    path = pathlib.Path(flag.value)
    if not path.exists():
        raise InputError(f"--{flag.name}: {path} does not exist.")
    return path


def run(main, flags_shown=()):
    """Runs `main()` as an absl program; bad input is told in one sentence with exit status 1, being stopped with 143.

    `flags_shown` are flag holders whose values, and the configuration's, `--dry_run` prints.
    """

    def guarded(arguments):
        if len(arguments) > 1:
            return _fail(f"unexpected argument '{arguments[1]}'; settings are given as --name=value.")
        _narrate_plainly()
        if DRY_RUN.value:
            print(json.dumps({flag.name: _shown(flag.value) for flag in flags_shown}, indent=1))
            return 0
        try:
            return main()
        except (InputError, TrainingStopped, OSError) as error:
            if _verbose():
                raise
            return _fail(_sentence(error), getattr(error, "status", 1))
        except Exception as error:
            if _verbose() or not is_exhausted(error):
                raise
            return _fail(f"out of memory ({_sentence(error)[:200]}); use a machine or device with more.")

    flags.declare_key_flag("dry_run")
    app.run(guarded, flags_parser=_parse)


def _parse(arguments):
    try:
        return flags.FLAGS(arguments)
    except SystemExit:
        sys.exit(0)  # --help, which absl ends with status 1.
    except flags.Error as error:
        sys.exit(_fail(str(error).replace("\n", " ")))
    except Exception as error:
        # Unknown keys, wrong types, missing files, and whatever can be wrong in a configuration file, which is Python.
        sys.exit(_fail(f"--config: {_sentence(error) or type(error).__name__}"))


def _narrate_plainly():
    """Our progress lines without a prefix; other libraries speak from warnings on."""
    handler = absl_logging.get_absl_handler()
    absl_logging.use_python_logging(quiet=True)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logging.getLogger().setLevel(logging.DEBUG if _verbose() else logging.INFO)
    for library in ("absl", "jax", "orbax", "matplotlib", "grain", "h5py"):
        logging.getLogger(library).setLevel(logging.WARNING)


def narrate_once(first):
    """Of several processes that do the same, all but the first keep to warnings and errors."""
    if not first:
        logging.getLogger().setLevel(logging.WARNING)


def _verbose():
    return flags.FLAGS.verbosity >= 1


def _sentence(error):
    text = error.args[0] if isinstance(error, KeyError) and error.args else str(error)
    return " ".join(str(text).split())


def _fail(sentence, status=1):
    print(f"error: {sentence}", file=sys.stderr)
    return status


def _shown(value):
    return json.loads(value.to_json()) if hasattr(value, "to_json") else value
