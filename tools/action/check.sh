#!/usr/bin/env bash
# One step of the GitHub Action: `govgate check` by the variables INPUT_*, with annotations, a summary, and SARIF.
set -u

arguments=()
lines() { # each line of $2 as an argument of its own, after $1 where there is one
    local line
    while IFS= read -r line; do
        line=${line#"${line%%[![:space:]]*}"}
        line=${line%"${line##*[![:space:]]}"}
        [ -n "$line" ] && arguments+=(${1:+"$1"} "$line")
    done <<<"$2"
    return 0
}

lines --policies "${INPUT_POLICIES-}"
[ -n "${INPUT_CONFIG-}" ] && arguments+=(--config "$INPUT_CONFIG")
[ -n "${INPUT_CHANGED_SINCE-}" ] && arguments+=(--changed-since "$INPUT_CHANGED_SINCE")
[ -n "${INPUT_SARIF_FILE-}" ] && arguments+=(--report "sarif=$INPUT_SARIF_FILE")
[ -n "${GITHUB_STEP_SUMMARY-}" ] && arguments+=(--report "markdown=${GITHUB_STEP_SUMMARY}.govgate")
lines "" "${INPUT_ARGUMENTS-}"
# A path is no option, however it begins.
lines "" "$(sed 's|^[[:space:]]*-|./-|' <<<"${INPUT_PATHS:-.}")"

govgate check --output github --fail-on "${INPUT_FAIL_ON:-deny}" "${arguments[@]}"
code=$?

if [ -n "${GITHUB_STEP_SUMMARY-}" ] && [ -f "${GITHUB_STEP_SUMMARY}.govgate" ]; then
    cat "${GITHUB_STEP_SUMMARY}.govgate" >>"$GITHUB_STEP_SUMMARY"
    rm -f "${GITHUB_STEP_SUMMARY}.govgate"
fi
[ -n "${GITHUB_OUTPUT-}" ] && echo "exit-code=$code" >>"$GITHUB_OUTPUT"
exit "$code"
