#!/usr/bin/env bash
# Installs what the tests need into .venv and runs them: bash launch/test.sh [pytest arguments]
set -euo pipefail
source "$(dirname "$0")/install.sh" "[test]"
.venv/bin/ruff check .
# Files stay whole, because their tests share what takes long to make, and in order, because the longest have few tests.
exec .venv/bin/python -m pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder "$@"
