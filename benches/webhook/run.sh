#!/usr/bin/env bash
# Builds the peer and measures it beside the webhook as it is released: run `make bench-webhook`, on a quiet machine.
# Arguments go to the measuring program (--rounds, --seconds, --paced-seconds).
set -euo pipefail
cd "$(dirname "$0")/../.."

programs=${TB_RELEASE_DIR:-target/x86_64-unknown-linux-gnu/release}
folder=target/bench-webhook
mkdir -p "$folder"
go build -trimpath -ldflags='-s -w' -o "$folder/peer" benches/webhook/peer.go
"$programs/tb-bench-webhook" --webhook "$programs/trustbridge-webhook" --peer "$folder/peer" "$@"
