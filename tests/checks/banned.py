#!/usr/bin/env python3
"""Refuses calls that have a safe replacement, heap calls in the engine, and
files and functions that have grown too long to read.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ["common", "config", "engine", "db", "server", "cli", "senders"]
TESTS = ["tests", "bench"]

FILE_LINES = 500
FUNCTION_LINES = 80

UNBOUNDED = "sprintf vsprintf strcpy stpcpy strcat strncat gets alloca " \
    "tmpnam mktemp".split()
# Global state, or no way to see an error.
UNSAFE = "strtok localtime gmtime ctime asctime rand srand atoi atol atoll " \
    "atof scanf system popen".split()
HEAP = "malloc calloc realloc reallocarray free strdup strndup asprintf " \
    "vasprintf aligned_alloc posix_memalign memalign valloc".split()
# The engine's only heap call sites: its own handle, made before the freeze.
HEAP_ALLOWED = {"engine/engine.c"}
STOPS = "exit _exit _Exit abort".split()
STOPS_ALLOWED = {"server/main.c", "cli/main.c"}

# Comments, strings and character constants, in the order they can start.
QUIET = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"'
                   r"|'(?:\\.|[^'\\\n])*'", re.S)


def code_of(text):
    """The text with comments and literals blanked, line numbers kept."""
    return QUIET.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def calls(code, names):
    pattern = r"(?<![\w.>])(" + "|".join(names) + r")\s*\("
    for match in re.finditer(pattern, code):
        yield code.count("\n", 0, match.start()) + 1, match.group(1)


def functions(code):
    """(first line, length) of each body: braces alone in column one."""
    start = None
    for number, line in enumerate(code.split("\n"), 1):
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start is not None:
            yield start, number - start + 1
            start = None


def check(path):
    name = str(path.relative_to(ROOT))
    text = path.read_text(encoding="utf-8")
    lines = text.count("\n")
    if lines > FILE_LINES:
        yield f"{name}: {lines} lines, at most {FILE_LINES}"
    if path.suffix not in (".c", ".h"):
        return
    code = code_of(text)
    for line, length in functions(code):
        if length > FUNCTION_LINES:
            yield f"{name}:{line}: function of {length} lines, " \
                f"at most {FUNCTION_LINES}"
    names = UNBOUNDED + UNSAFE
    if name.split("/")[0] in PRODUCT and name not in STOPS_ALLOWED:
        names = names + STOPS
    if name.startswith("engine/") and name not in HEAP_ALLOWED:
        names = names + HEAP
    for line, call in calls(code, names):
        yield f"{name}:{line}: {call}() is banned here"


def main():
    errors = []
    counted = 0
    for folder in PRODUCT + TESTS + ["train"]:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".c", ".h", ".py", ".sh"):
                counted += 1
                errors += check(path)
    for error in errors:
        print(error)
    print(f"{counted} files, {len(errors)} errors")
    return 1 if errors or counted == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
