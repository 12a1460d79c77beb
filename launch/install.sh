# Sourced by demo.sh and test.sh: makes .venv in the repository root and installs the package with the given extras.
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
python=""
for candidate in python3.11 python3.12 python3 python; do
  if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ]; then
  echo "error: no Python from 3.11 to 3.13 found on PATH; install one and run this again." >&2
  exit 1
fi
# A virtual environment whose making was interrupted has a python, but no pip.
.venv/bin/python -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear .venv || exit 1
wanted="$(cksum setup.py) ${1:-}"
if ! grep -qsxF "$wanted" .venv/installed; then
  echo "Installing radiogenomics into .venv (about two minutes) ..."
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".${1:-}" || exit 1
  echo "$wanted" >> .venv/installed
fi
