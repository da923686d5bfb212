# Muster. "make" alone lists what there is to make.

GO    ?= go
TOOLS  = $(GO) tool -modfile=tools/go.mod

.PHONY: told load help demo build test test-mysql check lint chaos day bench bench-pipeline web services-up services-down

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' Makefile

demo: build ## run everything against a simulated game and a stand-in Discord
	./muster demo

build: ## build the binary ./muster
	$(GO) build -o muster ./cmd/muster

test: ## run every test, with private servers that are started and stopped for it
	@scripts/services run scripts/test

test-mysql: ## run what stores and queues on MySQL itself and RabbitMQ 4, out of Debian's unstable (as root)
	@scripts/sid-tree run env SERVICES=redis scripts/services run scripts/test-mysql

check: ## gofmt, vet, lint and every test; servers only if services-up has started them
	@unformatted=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	  if [ -n "$$unformatted" ]; then echo "run gofmt -w on:" $$unformatted; exit 1; fi
	$(MAKE) --no-print-directory lint
	@if [ -f .services/env ]; then set -a; . ./.services/env; set +a; fi; scripts/test

lint: ## run golangci-lint as tools/go.mod pins it
	$(TOOLS) golangci-lint run

chaos: ## kill, suspend and cut off every role and server in turn (25 minutes); WRITE=1 writes the table down
	$(GO) test -race -count=1 -timeout=150m -v ./internal/chaos -full $(if $(WRITE),-write=$(CURDIR)/docs/verification.md)

day: ## send ten million events, a day at full rate, through the whole chain (COUNT=1000000 for fewer)
	$(GO) test -count=1 -timeout=120m -v ./internal/day -count-events=$${COUNT:-10000000}

load: ## type 100,000 commands, 200 a second, while people are told (9 minutes)
	$(GO) test -count=1 -timeout=30m -v ./cmd/muster -run ManyCommandsAtOnce -interactions=100000

bench: ## run every benchmark; COUNT=10 for figures to compare with benchstat
	@if [ -f .services/env ]; then set -a; . ./.services/env; set +a; fi; \
	  $(GO) test -run '^$$' -bench . -benchmem -count $${COUNT:-1} ./...

bench-pipeline: ## the chain over RabbitMQ, MariaDB and Redis: rate, latency, memory of each role (5 minutes)
	@scripts/services run sh -c '$(GO) test -run "^$$" -bench ThroughRabbit -benchtime 1x ./dispatcher && \
	  $(GO) test -run "^$$" -bench FrameToFeedApart -benchtime 20000x ./cmd/muster && \
	  $(GO) test -run "^$$" -bench "Roles$$" -benchtime 1x ./cmd/muster && \
	  $(GO) test -run "^$$" -bench Listen -benchtime 5x ./bus/rabbit'

web: ## build the pages' files anew; commit notifier/web/dist afterwards
	cd notifier/web && npm ci --no-audit --no-fund && npm run build

told: ## who is told what: every scenario, and ten minutes of a town of 2,000 people
	@TOLD_FULL=1 scripts/services run $(GO) test -count=1 -v -timeout=60m ./internal/told

services-up: ## start MariaDB, RabbitMQ and three Redis for tests by hand
	@scripts/services up

services-down: ## stop what services-up has started
	@scripts/services down
