#!/usr/bin/env bash
# Installs what the tests need into .venv and runs them: bash launch/test.sh [pytest arguments]
set -euo pipefail
source "$(dirname "$0")/install.sh" "[test]"
.venv/bin/ruff check .
exec .venv/bin/python -m pytest "$@"
