#!/usr/bin/env bash
# The operator under many objects. Arguments go to tb-scale, e.g. `--quotes 500 --pods 500` for a quick look.
set -euo pipefail
cd "$(dirname "$0")/../.."
release=${TB_RELEASE_DIR:-target/x86_64-unknown-linux-gnu/release}
commit=$(git rev-parse --short=10 HEAD)$(git diff --quiet HEAD -- . ':!docs/benchmarks' || echo ', with changes')
exec "$release/tb-scale" --operator "$release/trustbridge-operator" --commit "$commit" "$@"
