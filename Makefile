# Everything a person or a script does with this checkout. `make help` lists it.
MAKEFLAGS += --no-print-directory
CONFIGURATION ?= Debug
artifacts := artifacts/bin
configuration := $(shell echo $(CONFIGURATION) | tr A-Z a-z)

.PHONY: help run stop test test-cluster images bench publish-kuik manifests manifests-check fmt install build

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: install build ## starts everything on this machine, shows the main job, leaves it running (ORIGIN_IMAGE=…: with that image)
	@$(artifacts)/Run/$(configuration)/Kuik.Run start

stop: ## stops what make run started, nothing else
	@[ ! -x $(artifacts)/Run/$(configuration)/Kuik.Run ] && echo "nothing of make run is running" \
		|| $(artifacts)/Run/$(configuration)/Kuik.Run stop

test: install build ## builds, runs every test that needs no cluster (ONE='*XTests': that class; ONE='*XTests.A_case*': that test)
	@TEST_OPTIONS="$(if $(ONE),$(if $(findstring Tests.,$(ONE)),-method,-class) $(ONE),$(TEST_OPTIONS))" tests/run-tests \
		$(artifacts)/Kuik.Tests/$(configuration)/Kuik.Tests \
		$(artifacts)/Kuik.IntegrationTests/$(configuration)/Kuik.IntegrationTests

test-cluster: install ## installs Kuik on a Kubernetes node of its own and tests it (needs root; SHORT=1, IDLE=3600)
	@tests/Kuik.Testing/install-servers cluster
	@SHORT='$(SHORT)' IDLE='$(IDLE)' tests/Kuik.ClusterTests/test-cluster

images: ## OCI archives of the services and of kuik in artifacts/images, amd64 and arm64 (BASE=debian: see tools/images)
	@tests/Kuik.Testing/install-servers images
	@BASE='$(BASE)' ARCHITECTURES='$(ARCHITECTURES)' tools/images/make-images

bench: ## measures speed, memory and cost against named peers; writes artifacts/bench (SUITE=…, CASE=…: bench/README.md)
	@tests/Kuik.Testing/install-servers packages
	@tests/quietly "building" dotnet build bench -c Release --nologo -v quiet -clp:NoSummary
	@case '$(SUITE)' in ''|pull) $(MAKE) publish-node-proxy;; esac
	@case '$(SUITE)' in ''|scale) $(MAKE) publish-pod-watcher publish-expiry;; esac
	@case '$(SUITE)' in ''|replay) $(MAKE) publish-kuik;; esac
	@SUITE='$(SUITE)' SOAK='$(SOAK)' RUNS='$(RUNS)' CASE='$(CASE)' DURATION='$(DURATION)' RATE='$(RATE)' SECONDS='$(SECONDS)' \
		PODS='$(PODS)' IMAGES='$(IMAGES)' WARM_UP='$(WARM_UP)' EVENTS='$(EVENTS)' $(artifacts)/Kuik.Bench/release/Kuik.Bench

publish-%: # as it is in its container image, for this machine
	@tests/quietly "publishing $*" dotnet publish services/$* -c Release --use-current-runtime --nologo -v quiet -clp:NoSummary \
		-o artifacts/publish/$$(basename services/$*/*.csproj .csproj)/release

publish-kuik: ## the kuik command for this machine, compiled ahead: artifacts/publish/CommandLine/release/kuik
	@tests/quietly "publishing kuik" dotnet publish tools/kuik -c Release --use-current-runtime --no-self-contained --nologo -v quiet \
		-clp:NoSummary -o artifacts/publish/CommandLine/release

manifests: ## writes every overlay of deploy/kustomize as one file, and the list of its images, into artifacts/manifests
	@tests/Kuik.Testing/install-servers packages
	@deploy/write-manifests $(CURDIR)/artifacts/manifests

manifests-check: ## checks every overlay and component of deploy/kustomize (DIR=my/overlay: a kustomization of your own as well)
	@tests/Kuik.Testing/install-servers packages
	@tests/quietly "building" dotnet build tests/Kuik.Tests -c $(CONFIGURATION) --nologo -v quiet -clp:NoSummary
	@KUIK_MANIFESTS='$(DIR)' $(artifacts)/Kuik.Tests/$(configuration)/Kuik.Tests -noLogo -noColor -class 'Kuik.Tests.Deploy.*'

fmt: ## formats the code
	@dotnet format Kuik.sln

install:
	@tests/Kuik.Testing/install-servers

build:
	@tests/quietly "building" dotnet build Kuik.sln -c $(CONFIGURATION) --nologo -v quiet -clp:NoSummary
