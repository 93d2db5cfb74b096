#!/bin/sh
# Checks the scripts of the pages: eslint, and typescript from the types in their comments. The tools go into the folder
# that is given, never into the checkout. Skips with a sentence where there is no node, and fails where there is node but
# the tools cannot be had in CI.
set -eu
cd "$(dirname "$0")/../.."
tools=${1:-.venv/js}

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    echo "scripts are not checked: node or npm is missing"
    exit 0
fi
mkdir -p "$tools"
if ! cmp -s deploy/js/package-lock.json "$tools/installed.json"; then
    cp deploy/js/package.json deploy/js/package-lock.json "$tools"
    if ! (cd "$tools" && npm ci --no-audit --no-fund --loglevel=error >&2); then
        echo "scripts are not checked: npm cannot install eslint and typescript" >&2
        [ "${CI:-}" != true ]
        exit
    fi
    cp deploy/js/package-lock.json "$tools/installed.json"
fi
cp deploy/js/eslint.config.js "$tools/eslint.config.mjs" # beside what it imports
"$tools/node_modules/.bin/eslint" --config "$tools/eslint.config.mjs" app/static
"$tools/node_modules/.bin/tsc" --project deploy/js/tsconfig.json
