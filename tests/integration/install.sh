#!/usr/bin/env bash
# Installs the packages that the integration tests use, as package-lock.json has them, where that has
# not been done yet.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
if cmp -s package-lock.json node_modules/.installed; then
    echo "packages are there"
    exit 0
fi
npm ci --no-audit --no-fund --loglevel=error
cp package-lock.json node_modules/.installed
