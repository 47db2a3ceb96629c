#!/usr/bin/env bash
# Installs what is missing, builds every preset and runs every test in each: units, the decoders'
# corpora, the integration tests with real clients, and a run under valgrind.
#
#     scripts/test.sh           presets release, asan and tsan
#     scripts/test.sh --quick   preset release alone
#     scripts/test.sh asan      the presets that are named
#
# Ends with one line "N passed, N failed" over all of them; exits 1 where anything failed.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

presets=()
for argument in "$@"; do
    case $argument in
    --quick) presets=(release) ;;
    --help | -h)
        sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
        exit 0
        ;;
    release | asan | tsan) presets+=("$argument") ;;
    *) die "unknown argument: $argument (see --help)" ;;
    esac
done
[[ ${#presets[@]} -gt 0 ]] || presets=(release asan tsan)

need_packages "${BUILD_PACKAGES[@]}" "${BROWSER_PACKAGES[@]}" valgrind
need_node

passed=0 failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Adds what ctest's closing line says; a ctest without one has failed as a whole.
count_results() {
    local line
    line=$(grep -E '^[0-9]+% tests passed, [0-9]+ tests failed out of [0-9]+' "$log" | tail -n 1)
    if [[ $line =~ passed,\ ([0-9]+)\ tests\ failed\ out\ of\ ([0-9]+) ]]; then
        failed=$((failed + BASH_REMATCH[1]))
        passed=$((passed + BASH_REMATCH[2] - BASH_REMATCH[1]))
    else
        failed=$((failed + 1))
    fi
}

for preset in "${presets[@]}"; do
    begun=$SECONDS
    if ! build_preset "$preset"; then
        say "the build of preset $preset failed"
        failed=$((failed + 1))
        continue
    fi
    say "testing (preset $preset; built in $((SECONDS - begun)) s)"
    begun=$SECONDS
    (cd "$ROOT" && ctest --preset "$preset") 2>&1 | tee "$log" || true
    count_results
    say "preset $preset tested in $((SECONDS - begun)) s"
done

say "all done in $SECONDS s: ${presets[*]}"
echo "$passed passed, $failed failed"
((failed == 0))
