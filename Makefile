# Baiying. `make demo` and `make test` are all the set-up there is: each installs what is missing
# and says so. System packages come by apt when this runs as root; else the line to run is printed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# What the gateway runs on, and the recorded voices the demo speaks with.
RUN_PACKAGES := mosquitto libopus0 libportaudio2 espeak-ng alsa-utils
# What the tests use as the other side: real clients, sound servers, cameras.
TEST_PACKAGES := $(RUN_PACKAGES) mosquitto-clients pulseaudio libasound2-plugins socat ffmpeg lighttpd baresip-core sip-tester opus-tools openssl gcc libc6-dev spin \
	systemd iproute2 gir1.2-gst-rtsp-server-1.0 gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly python3-gi
# What the benchmarks measure against.
BENCH_PACKAGES := $(TEST_PACKAGES) svxlink-server svxreflector codec2-examples gcin-voice python3-dev
# What the guest with hardware of its own is made of.
VM_PACKAGES := $(TEST_PACKAGES) qemu-system-x86 busybox-static kmod cpio make linux-image-amd64 linux-headers-amd64 linux-source

.PHONY: help setup demo test test-vm test-model test-crash crash-gateway crash-rest check bench format clean
help:
	@echo 'make demo    play the main job on virtual hardware and print what happened'
	@echo 'make test    run the tests'
	@echo 'make check   ruff, mypy --strict, formatting'
	@echo 'make bench   measure; one JSON line each'
	@echo 'make test-vm tests on emulated hardware, in a virtual machine'
	@echo 'make test-model  search the whole state space of the floor across gateways; 3 minutes'
	@echo 'make test-crash  1,000 kills of a gateway, 200 of a broker, 200 power cuts; 20 minutes'
	@echo 'make format  let ruff mend and format'
	@echo 'make setup   only install what these need'
	@echo 'make clean   remove what was installed and cached here'

# $(call packages,LIST): install the Debian packages of LIST that are missing.
define packages
@missing=""; for package in $(1); do \
	dpkg-query -W -f='$${db:Status-Status}' $$package 2>/dev/null | grep -qx installed || missing="$$missing $$package"; \
done; \
$(PYTHON) -c 'import ensurepip' 2>/dev/null || missing="$$missing python3-venv"; \
if [ -n "$$missing" ]; then \
	if [ "$$(id -u)" = 0 ]; then \
		echo "setup: installing system packages:$$missing"; \
		log=$$(mktemp); \
		{ apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing; } >$$log 2>&1 \
			|| { cat $$log; echo "setup: apt failed; see above"; exit 1; }; rm -f $$log; \
	else \
		echo "setup: system packages are missing; run this, then make again:"; \
		echo "  sudo apt-get install --no-install-recommends$$missing"; exit 1; \
	fi; \
fi
endef

setup: $(STAMP)
	$(call packages,$(TEST_PACKAGES))

$(STAMP): pyproject.toml constraints.txt
	$(call packages,)
	@echo "setup: installing Python packages into $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "setup: Python 3.11 or later is needed; name one with PYTHON="; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[video,sip,dev]'
	@touch $@

demo: $(STAMP)
	$(call packages,$(RUN_PACKAGES))
	@$(BIN)/baiying demo --once

test: setup
	$(BIN)/python -m pytest $(TESTS)

test-vm: $(STAMP)
	$(call packages,$(VM_PACKAGES))
	tests/vm/run

# The short runs of these are part of `make test`. Two at a time: each half keeps one core busy.
test-crash: setup
	$(MAKE) -j2 --output-sync=target crash-gateway crash-rest
crash-gateway crash-rest: export CRASH := full
crash-gateway:
	$(BIN)/python -m pytest -q -s tests/system/test_crash.py
crash-rest:
	$(BIN)/python -m pytest -q -s tests/system/test_crash_broker.py tests/alarm/journal/test_power_cut.py

# The short search of the floor's model is part of `make test`; this is the long one, 3 minutes.
test-model: setup
	MODEL=full $(BIN)/python -m pytest -q tests/model

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup
	$(call packages,$(BENCH_PACKAGES))
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[bench]'
	@$(BIN)/python -m bench

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
