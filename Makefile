# Short names for what a developer does; CMakeLists.txt has the build itself.
BUILD = build
CMAKE = cmake -S . -DCMAKE_BUILD_TYPE=Release
CLANG_FORMAT = $(shell command -v clang-format-14 || echo clang-format)
JOBS = $(shell nproc)

help:
	@echo "make build   the daemon and the tool: build/facegated, build/facegate"
	@echo "make quick   the tests of a few seconds"
	@echo "make test    every test"
	@echo "make endure  500 kills and 500 power cuts of a daemon at work: an hour"
	@echo "make asan    every test of the programs under ASan and UBSan"
	@echo "make coverage   the same, and which lines these tests run"
	@echo "make tsan    the tests over HTTP of what runs at the same time, under TSan"
	@echo "make fuzz    let each fuzzer search for FUZZ_SECONDS"
	@echo "make bench   measure against other runtimes: docs/performance.md"
	@echo "make bench-levels   time the engine at every kernel level"
	@echo "make soak    an hour of mixed traffic, every answer checked"
	@echo "make bench-arm   count the engine's instructions on ARM"
	@echo "make size    build for size, report the programs' bytes"
	@echo "make static  programs for gateways without Debian's libraries, without TLS"
	@echo "make deb     the Debian package of this machine's release"
	@echo "make fmt     format the C sources"
	@echo "make run     build and run the daemon"
	@echo "make clean   remove what was built"

build:
	$(CMAKE) -B $(BUILD) -DFACEGATE_TESTS=OFF
	cmake --build $(BUILD) -j $(JOBS)

tests-built:
	$(CMAKE) -B $(BUILD) -DFACEGATE_TESTS=ON
	cmake --build $(BUILD) -j $(JOBS)

quick: tests-built
	ctest --test-dir $(BUILD) --output-on-failure -L quick

test:
	./test.sh

endure: tests-built
	CUTS=500 CK_RUN_SUITE=db_faults $(BUILD)/test_db
	KILLS=500 CUTS=500 ctest --test-dir $(BUILD) -R '^api_kill$$' \
	    --timeout 7200 --output-on-failure

asan:
	CC=gcc $(CMAKE) -B build-asan -DFACEGATE_TESTS=ON \
	    -DFACEGATE_SANITIZE=address,undefined -DFACEGATE_COVERAGE=ON
	cmake --build build-asan -j $(JOBS)
	find build-asan -name '*.gcda' -delete
	ctest --test-dir build-asan -j $(JOBS) --output-on-failure \
	    --no-tests=error --no-label-summary -LE check

coverage: asan
	.ci/coverage build-asan

fuzz:
	.ci/fuzz $(FUZZ_SECONDS)

# The daemon ends at the first race, and so the test. libmicrohttpd and the other
# libraries are as Debian has them: TSan sees their locks, not their memory. It
# does not know how newer kernels spread addresses, so they must not.
tsan:
	$(CMAKE) -B build-tsan -DFACEGATE_TESTS=ON -DFACEGATE_SANITIZE=thread
	cmake --build build-tsan -j $(JOBS) --target facegated facegate \
	    facegate-webhook facegate-mqtt mkjpeg faults
	TSAN_OPTIONS=halt_on_error=1 \
	    $$(setarch -R true 2>/dev/null && echo setarch -R) \
	    ctest --test-dir build-tsan -j $(JOBS) \
	    --output-on-failure --no-tests=error --no-label-summary \
	    -R '^api_(load|decisions|deepstack|reembed|webhook|soak)$$'

# BENCH_ARGS=--quick tries everything out in minutes.
bench:
	bench/run.sh $(BENCH_ARGS)

bench-levels: tests-built
	$(BUILD)/bench_engine models tests/data/faces/obama-720p.jpg
	$(BUILD)/bench_engine models tests/golden/obama.jpg

# SOAK_ARGS="--seconds 60 --json soak.json" is shorter, and keeps the figures.
soak: build
	python3 bench/soak.py --build $(BUILD) $(SOAK_ARGS)

bench-arm:
	bench/count_arm.sh

# Stripped, without models. The daemon is meant to stay below 409,600 bytes.
size:
	cmake --preset minsize
	cmake --build build-minsize -j $(JOBS)
	for program in facegated facegate; do \
	    strip -o build-minsize/$$program.stripped build-minsize/$$program; \
	done
	size build-minsize/*.stripped
	wc -c build-minsize/*.stripped

static:
	.ci/static

deb:
	$(CMAKE) -B $(BUILD) -DFACEGATE_TESTS=OFF -DCMAKE_INSTALL_PREFIX=/usr
	cmake --build $(BUILD) -j $(JOBS)
	cpack --config $(BUILD)/CPackConfig.cmake -B $(BUILD)

fmt:
	git ls-files '*.c' '*.h' | xargs $(CLANG_FORMAT) -i

run:
	./run.sh

clean:
	rm -rf build build-*

.PHONY: help build tests-built quick test endure soak asan coverage tsan fuzz bench bench-levels bench-arm size static deb fmt run clean
