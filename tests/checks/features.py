#!/usr/bin/env python3
"""Checks docs/features.md: every row is answered, by a test that exists or by
the reason why there is none."""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROWS = (57, 57)  # of the two tables


def exists(file, test):
    """Whether a file of the tests, in Python or C, has the test."""
    for path, pattern in ((f"{file}.py", rf"^ *def {test}\("),
                          (f"{file}.c", rf"^START_TEST\({test}\)")):
        path = ROOT / "tests" / path
        if path.is_file():
            return re.search(pattern, path.read_text(encoding="utf-8"), re.M) is not None
    return False


def main():
    errors, counted = [], 0
    text = (ROOT / "docs" / "features.md").read_text(encoding="utf-8")
    numbers = []
    for line in text.splitlines():
        row = re.match(r"\| (\d+) \| ", line)
        if row is None:
            continue
        numbers.append(int(row.group(1)))
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if len(cells) != 4 or not all(cells):
            errors.append(f"row {numbers[-1]}: not four cells: {line[:60]}")
        for file, test in re.findall(r"`([\w/]+)::(\w+)`", line):
            counted += 1
            if not exists(file, test):
                errors.append(f"row {numbers[-1]}: there is no {file}::{test}")
    if numbers != [n for rows in ROWS for n in range(1, rows + 1)]:
        errors.append("rows are missing or out of order")
    for error in errors:
        print(f"docs/features.md: {error}")
    print(f"{len(numbers)} rows, {counted} tests, {len(errors)} errors")
    return 1 if errors or counted == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
