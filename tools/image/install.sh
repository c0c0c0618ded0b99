#!/bin/sh
# Installs govgate, with everything it needs and nothing else, into a new environment: the steps of the Dockerfile.
#
#   tools/image/install.sh TARGET [REQUIREMENTS]
#
# TARGET is a folder that does not exist yet; govgate is in TARGET/bin. REQUIREMENTS is runtime, or clouds: with the stores of
# secrets of AWS, Azure and Google Cloud.
#
# Everything is pinned with hashes. The native library is built from source, by a Go and a C compiler that come from the
# package index where the machine has none.
set -eu
target=$1
requirements=requirements/${2:-runtime}.txt
source=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
pip() { "$1" -m pip --disable-pip-version-check --no-cache-dir --quiet install --require-hashes $2; }

cd "$source"
python3 -m venv "$target"
pip "$target/bin/python" "-r requirements/pip.txt"
pip "$target/bin/python" "-r $requirements"

# What builds is not what runs.
python3 -m venv "$scratch/build"
pip "$scratch/build/bin/python" "-r requirements/pip.txt"
pip "$scratch/build/bin/python" "-r requirements/build.txt"
"$scratch/build/bin/python" -m pip --disable-pip-version-check --quiet wheel --no-deps --no-build-isolation \
    --wheel-dir "$scratch/wheel" .
"$target/bin/python" -m pip --disable-pip-version-check --no-cache-dir --quiet install --no-deps "$scratch"/wheel/*.whl
"$target/bin/python" -m pip --disable-pip-version-check --quiet check
"$target/bin/python" -m pip --disable-pip-version-check --quiet uninstall --yes pip
"$target/bin/govgate" --version
