#!/usr/bin/env bash
# Builds the webhook as it is released, the peer and the load, and measures. Arguments go to the measuring program
# (--rounds, --seconds, --paced-seconds). Run it on a quiet machine.
set -euo pipefail
cd "$(dirname "$0")/../.."

target=x86_64-unknown-linux-gnu
folder=target/bench-webhook
mkdir -p "$folder"
# A profile of its own by environment: fat LTO, one unit, no unwinding, no symbols.
export CARGO_PROFILE_RELEASE_LTO=fat CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1 CARGO_PROFILE_RELEASE_PANIC=abort
export CARGO_PROFILE_RELEASE_STRIP=symbols RUSTFLAGS='-C target-feature=+crt-static'
cargo build --release --locked --target "$target" --target-dir "$folder" -p trustbridge-webhook -p trustbridge-bench-webhook
go build -trimpath -ldflags='-s -w' -o "$folder/peer" benches/webhook/peer.go
programs=$folder/$target/release
"$programs/tb-bench-webhook" --webhook "$programs/trustbridge-webhook" --peer "$folder/peer" "$@"
