# Short names for developers; what they do is in CMakeLists.txt and the scripts.
BUILD ?= build

help:
	@echo "make build   compile into $(BUILD)/"
	@echo "make quick   compile and run the quick tests"
	@echo "make test    compile and run all tests"
	@echo "make asan    all tests under AddressSanitizer and UBSan"
	@echo "make bench   time the kernels and the pipeline"
	@echo "make fmt     format the sources"
	@echo "make run     start the daemon"

build:
	cmake -S . -B $(BUILD) >/dev/null
	cmake --build $(BUILD) -j2

quick: build
	ctest --test-dir $(BUILD) --output-on-failure -L quick

test:
	./test.sh

asan:
	cmake -S . -B build-asan -DCMAKE_BUILD_TYPE=Debug \
		-DFACEGATE_SANITIZE=address,undefined >/dev/null
	cmake --build build-asan -j2
	ctest --test-dir build-asan --output-on-failure

bench: build
	$(BUILD)/bench_kernels

fmt:
	clang-format -i $$(git ls-files '*.c' '*.h')

run:
	./run.sh

.PHONY: help build quick test asan bench fmt run
