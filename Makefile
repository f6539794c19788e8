# SPDX-License-Identifier: Apache-2.0
# Builds, tests, shows and installs modelgov. Read top to bottom: knobs, files, BPF, C, tests, demo,
# developer's targets, install. `make help` lists the targets.

VERSION := 0.1.0

# ---- knobs ------------------------------------------------------------------------------------

O       ?= build
PREFIX  ?= /usr
DESTDIR ?=
CC      ?= gcc
CLANG   ?= clang
BPFTOOL ?= $(shell command -v bpftool || echo /usr/sbin/bpftool)
CFLAGS  ?= -O2 -g
V       ?= 0

# Debian packages, by the reason they are here; docs/dependencies.md says what each is for.
PACKAGES_BUILD := gcc make clang pkg-config bpftool libbpf-dev libelf-dev zlib1g-dev \
	libcgroup-dev libsystemd-dev libfyaml-dev libjansson-dev libsqlite3-dev libsodium-dev scdoc
PACKAGES_TEST := libcriterion-dev qemu-system-x86 qemu-system-common busybox-static cpio \
	linux-image-cloud-amd64 systemd dbus podman crun kmod util-linux procps iproute2 libclang-rt-14-dev \
	valgrind shellcheck clang-format clang-tidy cppcheck binutils minisign python3 python3-jsonschema python3-yaml
PACKAGES_DEMO := libtesseract-dev tesseract-ocr-eng libleptonica-dev libpocketsphinx-dev \
	pocketsphinx-en-us espeak-ng sox imagemagick fonts-dejavu-core gnuplot-nox librsvg2-bin \
	libmicrohttpd-dev
PACKAGES_BENCH := libbpf-tools

LIBRARIES := libbpf libelf zlib libcgroup libsystemd libfyaml jansson sqlite3 libsodium

# ---- flags ------------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wmissing-prototypes -Wstrict-prototypes -Wshadow -Wformat=2 -Wundef \
	-Wno-unused-parameter -Wno-missing-field-initializers
ifeq ($(DEVELOPER),1)
WARNINGS += -Werror
endif
HARDENING := -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE \
	-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
ifneq ($(SANITIZE),)
HARDENING := -fPIE -fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=undefined
LDFLAGS += -fsanitize=$(SANITIZE)
endif

# The same commit gives the same bytes in any folder: no path of this folder reaches a binary.
SAME := -ffile-prefix-map=$(CURDIR)=. -ffile-prefix-map=$(abspath $(O))=build

CPPFLAGS_ALL := -D_GNU_SOURCE -DMODELGOV_VERSION='"$(VERSION)"' -Iinclude -I$(O)/bpf
CFLAGS_ALL   = -std=gnu11 $(CFLAGS) $(WARNINGS) $(HARDENING) $(SAME) -pthread -MMD -MP $(PC_CFLAGS)
LDFLAGS_ALL  = -pie -pthread -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS)
PC_CFLAGS    = $(shell pkg-config --cflags $(LIBRARIES) 2>/dev/null)
LIBS         = $(shell pkg-config --libs $(LIBRARIES) 2>/dev/null)

ifeq ($(V),0)
Q := @
say = @printf '  %-7s %s\n' '$(1)' '$(2)'
endif

# ---- files ------------------------------------------------------------------------------------

ROOMS    := base policy sense decide act record replay verify change control
ROOM_SRC := $(foreach r,$(ROOMS),$(wildcard userspace/$(r)/*.c))
ROOM_OBJ := $(ROOM_SRC:%.c=$(O)/%.o)
BPF_SRC  := $(wildcard bpf/*.bpf.c)
SKELETON := $(BPF_SRC:bpf/%.bpf.c=$(O)/bpf/%.skel.h)
PROGRAMS := $(O)/modelgovd $(O)/modelgov
MAN      := $(patsubst docs/man/%.scd,$(O)/man/%,$(wildcard docs/man/*.scd))

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: help all deps deps-demo deps-bench check test demo bench lint format format-check check-san \
	fuzz analyze docs reproducible install uninstall clean tests models benches

help: ## this list
	@awk -F ':.*## ' '/^[a-z_.-]+:.*## / {printf "  %-22s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

all: $(PROGRAMS) $(MAN) ## programs, BPF objects, manual pages

# ---- packages ---------------------------------------------------------------------------------

deps: ## install what building and testing needs (Debian packages, as root)
	@.ci/install-packages $(PACKAGES_BUILD) $(PACKAGES_TEST)

deps-demo: ## install what the demo needs besides
	@.ci/install-packages $(PACKAGES_BUILD) $(PACKAGES_TEST) $(PACKAGES_DEMO)

deps-bench: ## install what the benchmarks compare with
	@.ci/install-packages $(PACKAGES_BUILD) $(PACKAGES_TEST) $(PACKAGES_BENCH)

# ---- BPF: object, without DWARF (bpftool keeps BTF only), skeleton ------------------------------

define bpf_object
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) -target bpf -mcpu=v3 -g -O2 -Wall -Wextra -Wno-unused-parameter \
		$(if $(filter 1,$(DEVELOPER)),-Werror) -Iinclude -Ivmlinux -Ibpf $(SAME) \
		-fdebug-compilation-dir=. -MMD -MP -MT $@ -c $< -o $(@:.o=.debug.o)
	$(Q)$(BPFTOOL) gen object $@ $(@:.o=.debug.o)
endef

$(O)/bpf/%.bpf.o: bpf/%.bpf.c
	$(bpf_object)

$(O)/bpf/%.bpf.o: tests/bench/%.bpf.c
	$(bpf_object)

$(O)/bpf/%.skel.h: $(O)/bpf/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $(subst -,_,$*)_bpf > $@

# ---- C ----------------------------------------------------------------------------------------

$(O)/%.o: %.c | $(SKELETON)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CPPFLAGS) $(CFLAGS_ALL) -c $< -o $@

$(O)/libmodelgov.a: $(ROOM_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcsD $@ $^

define program
$(O)/$(1): $$(patsubst %.c,$(O)/%.o,$$(wildcard userspace/$(1)/*.c)) $(O)/libmodelgov.a
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) $$(LDFLAGS_ALL) -o $$@ $$^ $$(LIBS)
endef
$(eval $(call program,modelgovd))
$(eval $(call program,modelgov))

$(O)/man/%: docs/man/%.scd
	$(call say,MAN,$@)
	@mkdir -p $(@D)
	$(Q)SOURCE_DATE_EPOCH=0 scdoc < $< > $@

# ---- tests ------------------------------------------------------------------------------------

SUPPORT_OBJ := $(patsubst %.c,$(O)/%.o,$(wildcard tests/support/*.c))
TEST_CFLAGS := -Itests/support -Iuserspace $(ROOMS:%=-Iuserspace/%) -Iuserspace/modelgov

$(O)/tests/%.o: CPPFLAGS += $(TEST_CFLAGS)

# One Criterion runner per folder.
define suite
$(O)/tests/run-$(1): $$(patsubst %.c,$(O)/%.o,$$(wildcard tests/$(1)/test_*.c)) $(SUPPORT_OBJ) \
		$(O)/libmodelgov.a
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) $$(LDFLAGS_ALL) -o $$@ $$^ $$(LIBS) -lcriterion
endef
$(foreach s,unit property bpf,$(eval $(call suite,$(s))))

# Every other test program is one file and the rooms.
$(BENCHES:%=%.o): | $(BENCH_SKELETON)
$(O)/tests/%: $(O)/tests/%.o $(SUPPORT_OBJ) $(O)/libmodelgov.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS) $(LIBS_EXTRA)

SYSTEM_TOOLS := $(patsubst %.c,$(O)/%,$(wildcard tests/system/*.c))
BENCH_SKELETON := $(patsubst tests/bench/%.bpf.c,$(O)/bpf/%.skel.h,$(wildcard tests/bench/*.bpf.c))
BENCHES      := $(patsubst %.c,$(O)/%,$(filter-out %.bpf.c,$(wildcard tests/bench/*.c)))
CHECKS       := $(O)/tests/run-unit $(O)/tests/run-property $(O)/tests/scenario/run

tests: $(CHECKS) $(O)/tests/run-bpf $(SYSTEM_TOOLS)
benches: $(BENCHES)

check: $(CHECKS) $(PROGRAMS) ## unit, property and scenario tests: no root, seconds
	@O=$(O) tests/run check

test: ## everything that CI runs; installs what is missing
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory DEVELOPER=1 all tests
	@O=$(O) tests/run all

check-san: ## the checks under address and undefined-behaviour sanitizers
	@$(MAKE) --no-print-directory O=$(O)/san SANITIZE=address,undefined CFLAGS='-O1 -g' check

FUZZ_SECONDS ?= 30
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))

fuzz: $(SKELETON) ## each fuzzer for FUZZ_SECONDS (30) from its kept corpus
	@CLANG=$(CLANG) O=$(O) CPPFLAGS='$(CPPFLAGS_ALL) $(TEST_CFLAGS)' LIBS='$(LIBS)' \
		tests/fuzz/run $(FUZZ_SECONDS) $(FUZZERS)

# ---- demo and benchmarks ----------------------------------------------------------------------

models: ## the demo's model servers, batch job and load generator
	@$(MAKE) --no-print-directory -f tests/models/Makefile O=$(O) Q=$(Q)

demo: ## real models on one host: alone, ungoverned, static weights, modelgov
	@$(MAKE) --no-print-directory deps-demo
	@$(MAKE) --no-print-directory all models
	@O=$(O) tests/lab/demo/run

bench: ## cost of the sampler beside runqlat's, of the daemon at 1, 10, 100 models, of decide, of 1000 manifests
	@$(MAKE) --no-print-directory deps-bench
	@$(MAKE) --no-print-directory all benches
	@O=$(O) tests/bench/run

# ---- for developers ---------------------------------------------------------------------------

C_FILES := $(shell git ls-files '*.c' '*.h' 2>/dev/null | grep -v '^vmlinux/')

lint: $(ROOM_OBJ) $(PROGRAMS) ## rooms, purity of decide/, generated pages, SPDX lines, shell scripts
	@O=$(O) tests/lint/run

format: ## whitespace, by clang-format
	@clang-format -i $(C_FILES)

format-check:
	@clang-format --dry-run -Werror $(C_FILES)

analyze: $(SKELETON) compile_commands.json ## gcc -fanalyzer, clang-tidy, cppcheck
	@O=$(O) CC=$(CC) tests/lint/analyze

docs: $(O)/modelgov ## regenerate the reference pages from their tables
	@$(O)/modelgov __reference policy | tests/lint/splice docs/policy.md
	@$(O)/modelgov __reference parameters | tests/lint/splice docs/decisions.md
	@$(O)/modelgov __reference changes | tests/lint/splice docs/governance.md

compile_commands.json: Makefile $(SKELETON) ## for editors and clang-tidy
	@for f in $(ROOM_SRC) $(wildcard userspace/modelgov*/*.c tests/*/*.c); do \
		printf '{"directory":"%s","file":"%s","command":"%s"},\n' '$(CURDIR)' "$$f" \
		'$(CC) $(subst ",\\\",$(CPPFLAGS_ALL)) $(TEST_CFLAGS) -std=gnu11 $(PC_CFLAGS) -c '"$$f"; \
	done | sed '1s/^/[/; $$s/,$$/]/' > $@

reproducible: ## two builds of this commit in two folders give the same bytes
	@tests/lint/reproducible

# ---- install ----------------------------------------------------------------------------------

SBIN := $(DESTDIR)$(PREFIX)/sbin
BIN  := $(DESTDIR)$(PREFIX)/bin
MAND := $(DESTDIR)$(PREFIX)/share/man
UNIT := $(DESTDIR)$(PREFIX)/lib/systemd/system
COMP := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ETC  := $(DESTDIR)/etc/modelgov
DATA := $(DESTDIR)$(PREFIX)/share/modelgov

install: all ## programs, unit, manual pages, examples (DESTDIR, PREFIX); policy in /etc is kept
	install -Dm755 $(O)/modelgovd $(SBIN)/modelgovd
	install -Dm755 $(O)/modelgov $(BIN)/modelgov
	install -d $(UNIT)
	sed 's|@PREFIX@|$(PREFIX)|g' userspace/modelgovd/modelgovd.service.in > $(UNIT)/modelgovd.service
	install -Dm644 userspace/modelgov/completion.bash $(COMP)/modelgov
	for m in $(MAN); do install -Dm644 $$m $(MAND)/man$${m##*.}/$${m##*/}; done
	install -d $(ETC)/models.d $(ETC)/templates.d $(ETC)/gates.d $(DATA)/templates.d
	cp -r policies/. $(DATA)/policies
	install -m644 policies/templates/*.yaml $(DATA)/templates.d

uninstall: ## removes what install put there; your policy in /etc/modelgov and /var/lib/modelgov stay
	rm -f $(SBIN)/modelgovd $(BIN)/modelgov $(UNIT)/modelgovd.service $(COMP)/modelgov
	for m in $(MAN); do rm -f $(MAND)/man$${m##*.}/$${m##*/}; done
	rm -rf $(DATA)
	for d in $(ETC)/models.d $(ETC)/templates.d $(ETC)/gates.d $(ETC); do [ ! -d $$d ] || rmdir --ignore-fail-on-non-empty $$d; done

clean: ## removes the build folder
	rm -rf $(O) compile_commands.json

-include $(shell find $(O) -name '*.d' -type f 2>/dev/null)
