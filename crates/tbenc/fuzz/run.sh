#!/usr/bin/env bash
# Fuzzes every target for some seconds each, on stable Rust, without cargo-fuzz: run.sh [SECONDS [TARGET...]]
#
# Prints what libFuzzer counted; exit 1 with the input in hexadecimal where one fails. Nothing is written into the
# repository: the build and the corpus, which grows from run to run, are in the user's cache folder.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
seconds=${1:-20}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(header stream manifest)
[[ $seconds =~ ^[1-9][0-9]*$ ]] ||
  { echo "usage: run.sh [SECONDS [TARGET...]]; SECONDS is $seconds, must be a whole number" >&2; exit 64; }

cache=${XDG_CACHE_HOME:-$HOME/.cache}/trustbridge/fuzz
host=$(rustc --version --verbose | sed -n 's/^host: //p')
# The target is named so that the flags do not reach build scripts, which have no libFuzzer to link with.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares"
cargo build --quiet --release --locked --manifest-path "$here/Cargo.toml" --target-dir "$cache/target" --target "$host" \
  --bin header --bin stream --bin manifest
python3 "$here/seeds.py" "$cache/seeds"

status=0
for target in "${targets[@]}"; do
  mkdir -p "$cache/corpus/$target" "$cache/crashes/$target"
  log=$cache/$target.log
  rm -f "$cache/crashes/$target"/*
  # A target that hangs is ended by libFuzzer after 10 s; the outer limit is for libFuzzer itself.
  if timeout --kill-after=10 $((seconds + 120)) "$cache/target/$host/release/$target" \
      -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
      -artifact_prefix="$cache/crashes/$target/" "$cache/corpus/$target" "$cache/seeds/$target" >"$log" 2>&1; then
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    [ -n "$executions" ] || { echo "fuzz $target: libFuzzer printed no count, see $log" >&2; exit 1; }
    echo "fuzz $target: $executions executions in $seconds s, no crash"
  else
    status=1
    echo "fuzz $target: failed"
    tail -n 25 "$log"
    for input in "$cache/crashes/$target"/*; do
      [ -f "$input" ] && echo "input $(basename "$input"): $(od -An -v -tx1 "$input" | tr -d ' \n')"
    done
  fi
done
exit $status
