# TrustBridge on Kubernetes. `make demo` runs the whole story, `make test` every tier; both set up what they need.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TARGET  := x86_64-unknown-linux-gnu
RELEASE := target/$(TARGET)/release
# Static glibc, so that images are `FROM scratch`; the flag must be the same everywhere or everything compiles twice.
STATIC  := RUSTFLAGS='-C target-feature=+crt-static'
# Tests that need more than cargo; plain `cargo test` leaves them out, a tier runs them.
BY_NAME := azurite blob_store container publish t1_api_server t2_node packets
export TB_RELEASE_DIR := $(CURDIR)/$(RELEASE)

.PHONY: help
help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z0-9 -]+:.*## / { printf "  %-28s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo demo-down
demo: cluster-up ## Installs what is missing, brings a cluster up and tells the whole story
	@$(RELEASE)/tb-demo up

demo-down: bins ## Ends the demo and the cluster, and proves that nothing is left
	@status=0; $(RELEASE)/tb-demo down || status=1; $(RELEASE)/tb-cluster down || status=1; exit $$status

.PHONY: test test-unit test-provider test-cluster test-campaign
test: ## Runs every tier: T0 pure, fuzz, the provider's real parts, T1 real API server, T2 real node, the crash campaign
	@./.ci/tiers T0 fuzz provider T1 T2 campaign

test-unit: ## T0: needs nothing but cargo and Python
	cargo test --workspace

test-provider: ## The provider's CLI, and the sentinel under fault, against real Azurite, buildah and a registry
	@./.ci/tiers provider

test-cluster: ## T1 and T2
	@./.ci/tiers T1 T2

test-campaign: ## Kills the operator at every distinct write of its own, CI size
	@./.ci/tiers campaign

.PHONY: campaign
campaign: cluster-up ## The full size of every suite; writes docs/benchmarks/campaign.md and crash-campaign.md
	@./.ci/campaign

.PHONY: bins cluster-up cluster-down cluster-doctor
bins: ## Builds every program, static
	@command -v cargo > /dev/null || { echo "cargo is missing: install Rust 1.95 or newer (rustup, or your distribution)"; exit 1; }
	@# With the tests, because cargo unites the features of what it builds together: apart, everything compiles twice.
	@$(STATIC) cargo build --release --target $(TARGET) --workspace --bins --tests $(BY_NAME:%=--test %)

cluster-up: bins ## Starts the local cluster with our images (kind with Docker; your KUBECONFIG; else a network namespace)
	@$(RELEASE)/tb-cluster install-prerequisites
	@$(RELEASE)/tb-cluster up --no-build
	@$(RELEASE)/tb-cluster load --no-build

cluster-down: bins ## Ends the local cluster and proves that nothing is left
	@$(RELEASE)/tb-cluster down

cluster-doctor: bins ## Prints each missing prerequisite with its fix
	@$(RELEASE)/tb-cluster doctor

.PHONY: bench-tbenc bench-tbenc-smoke
bench-tbenc: bins ## `trustbridge` beside its peers, interleaved; writes docs/benchmarks/tbenc.md (wants a quiet machine)
	@python3 benches/tbenc/run.py

bench-tbenc-smoke: bins ## The same contenders on a small file: correctness alone
	@python3 benches/tbenc/run.py --smoke

.PHONY: bench-sentinel bench-sentinel-smoke
bench-sentinel: bins ## The sentinel beside its peers; writes docs/benchmarks/sentinel.md (wants a quiet machine)
	@python3 benches/sentinel/run.py

bench-sentinel-smoke: bins ## The same contenders on a small file: correctness alone
	@python3 benches/sentinel/run.py --smoke

.PHONY: bench-webhook bench-webhook-smoke
bench-webhook: bins ## The webhook beside a plain Go server; writes docs/benchmarks/webhook.md (wants a quiet machine)
	@benches/webhook/run.sh --write docs/benchmarks/webhook.md

bench-webhook-smoke: bins ## Whether both make the same pod: correctness alone
	@benches/webhook/run.sh --rounds 0

.PHONY: bench-operator
bench-operator: bins ## The operator under 10,000 Quotes and 10,000 Pods; writes docs/benchmarks/operator.md (wants a quiet machine)
	@benches/operator/run.sh --write docs/benchmarks/operator.md

.PHONY: fuzz vectors
FUZZ_SECONDS ?= 20
fuzz: ## Fuzzes the tbenc format on stable Rust, FUZZ_SECONDS for each target
	@crates/tbenc/fuzz/run.sh $(FUZZ_SECONDS)

vectors: ## Writes the tbenc vectors again (needs python3 with cryptography)
	cd crates/tbenc/vectors && python3 generate.py

.PHONY: lint deny generate fmt
lint: ## Formatting, clippy, documentation links
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- --deny warnings
	@# Apart: beside --all-targets cargo passes over tests that are named.
	cargo clippy --workspace $(BY_NAME:%=--test %) -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --quiet

deny: ## Bans, licences and sources of dependencies
	@command -v cargo-deny > /dev/null || cargo install --quiet --locked cargo-deny@0.20.2
	cargo deny check bans licenses sources

generate: ## Writes every generated file
	cargo run --quiet --package xtask -- all

fmt: ## Formats
	cargo fmt --all
