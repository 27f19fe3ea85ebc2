"""Writes the results into docs/performance.md, between its two marks, and the plots
beside it: python -m bench.report. With --quick, into copies in build/bench."""

import json
import os

import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from .run import read_options  # noqa: E402
from .inputs import ROOT, WORK  # noqa: E402

PAGE = os.path.join(ROOT, "docs", "performance.md")
MARKS = ("<!-- made by bench/report.py: begin -->", "<!-- made by bench/report.py: end -->")
OURS, PEERS = "#1f5fa8", ["#b0551f", "#6b8e23", "#8a5a9e", "#777777"]


def number(x, digits=3):
    """Three significant digits, no exponent."""
    if x is None:
        return ""
    x = float(x)
    return f"{x:.0f}" if x >= 100 else f"{x:.{digits}g}"


def mib(kib):
    return number(kib / 1024)


def table(head, rows):
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head)] +
                     ["| " + " | ".join(str(c) for c in r) + " |" for r in rows]) + "\n"


def timed(rows, extra=()):
    """The common table: name, one and two threads, memory, load; extra columns are
    (title, field of the row of one thread)."""
    out, names = [], list(dict.fromkeys(r["name"] for r in rows if "threads" in r))
    for name in names:
        one = next((r for r in rows if r["name"] == name and r.get("threads") == 1), None)
        two = next((r for r in rows if r["name"] == name and r.get("threads") == 2), None)
        row = one or two
        label = f"**{name}**" if row["kind"] == "ours" else name
        if "error" in row:
            out.append([label, "did not run: " + row["error"].split(": ", 1)[-1][:70]] +
                       [""] * (5 + len(extra)))
            continue
        version = row.get("version", "")
        out.append([label, version, number(row["cpu_ms"]), number(row["ratio_to_best_peer"]),
                    number(two["ms"]) if two and "error" not in two else "",
                    mib(row["rss_peak_kib"]), number(row["load_ms"])] +
                   [f(row) for _, f in extra])
    return table(["", "version", "CPU ms", "to best peer", "ms, two threads", "peak MiB",
                  "load ms"] + [t for t, _ in extra], out)


def embedder(results):
    return timed(results["embedder"], [
        ("cosine to ours, least", lambda r: r.get("cosine_to_ours", ""))])


def detect(results):
    return timed(results["detect"], [("faces", lambda r: r["faces"]),
                                     ("of ours, found", lambda r: r["same_faces"])])


def verify(results):
    def decisions(row):
        return " ".join("allow" if d["allow"] else "deny" for d in row["decisions"])
    return timed(results["verify"], [("decisions", decisions)])


def search(results):
    rows = results["search"]
    sizes = sorted({r["templates"] for r in rows if "threads" in r})
    names = list(dict.fromkeys(r["name"] for r in rows if "threads" in r))
    find = {(r["name"], r["templates"], r["threads"]): r for r in rows if "threads" in r}
    out = []
    for name in names:
        own = [find.get((name, n, 1), {}) for n in sizes]
        ours = own[0].get("kind") == "ours"
        if all("error" in r for r in own):
            out.append([name, "did not run: " + own[0]["error"].split(": ", 1)[-1][:70]] +
                       [""] * (len(sizes) + 1))
            continue
        out.append([f"**{name}**" if ours else name] + [number(r.get("cpu_ms")) for r in own] +
                   [number(find.get((name, sizes[-1], 2), {}).get("ms")),
                    mib(own[-1]["rss_kib"]) if "rss_kib" in own[-1] else ""])
    text = table(["CPU ms a probe"] + [f"{n:,}" for n in sizes] +
                 [f"ms at {sizes[-1]:,}, two threads", f"MiB at {sizes[-1]:,}"], out)
    for r in rows:
        if r.get("kind") == "ours" and r["templates"] >= 100_000 and r["threads"] == 1 and \
                r["isa"] == results["machine"]["kernel_levels"][-1]:
            text += (f"\n{r['templates']:,} templates at level {r['isa']}, one thread: "
                     f"{number(r['of_bandwidth'] * 100)} % of a plain read's bandwidth, "
                     f"{number(r['ratio_to_faiss_flat'])} x the time of FAISS flat.\n")
        if r.get("kind") == "recall":
            text += (f"\nRecall of the top match against float, {r['probes']} probes in "
                     f"{r['templates']:,}: {r.get('recall', 0) * 100:.2f} %.\n")
    return text


def daemon(results):
    out = []
    for r in results["daemon"]:
        if "connections" in r:
            out.append([r["size"], r["connections"], number(r["qps"]), number(r.get("p50_ms")),
                        number(r.get("p95_ms")), number(r.get("p99_ms")),
                        f"{100 * r['refused'] / max(r['refused'] + r['ok'], 1):.0f} %",
                        r["lost"] + r["other"], mib(r["rss_peak_kib"])])
    first = results["daemon"][0]
    return (f"Start to ready: {number(first['ms'])} ms, {mib(first['rss_kib'])} MiB resident, "
            f"of which {mib(first['rss_anonymous_kib'])} are its own and the rest files.\n\n" +
            table(["upload", "connections", "verified a second", "p50 ms", "p95 ms", "p99 ms",
                   "answered 503", "failed", "peak MiB"], out))


def plot(folder, name, title, xlabel, draw, time="CPU ms", log=False):
    """Two panels: time on the left, memory on the right."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 3), dpi=80)
    for axis, field, unit in zip(axes, ("ms", "mib"), (time, "MiB resident")):
        draw(axis, field)
        axis.set_xlabel(xlabel)
        axis.set_ylabel(unit)
        if log:
            axis.set_xscale("log")
            axis.set_yscale("log")
        else:
            axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=7, frameon=False)
    figure.suptitle(title, fontsize=10)
    figure.tight_layout()
    figure.savefig(os.path.join(folder, f"{name}.png"))
    plt.close(figure)


def line(axis, rows, x, field, label, color):
    rows = [r for r in rows if r.get("ms") is not None]
    y = [r["rss_kib"] / 1024 if field == "mib" else r.get("cpu_ms", r["ms"]) for r in rows]
    axis.plot([r[x] for r in rows], y, "o-", ms=3, label=label, color=color)


def plots(results, folder):
    os.makedirs(folder, exist_ok=True)
    growth = results["growth"]
    plot(folder, "pixels", "A verify as the picture grows", "megapixels of the JPEG",
         lambda a, f: line(a, growth["pixels"], "x", f, "JPEG to decision", OURS))
    plot(folder, "faces", "Detection as faces are added, 640x480", "faces in the picture",
         lambda a, f: line(a, growth["faces"], "x", f, "detect", OURS))

    def gallery(axis, field):
        one = [r for r in results["search"] if r.get("threads") == 1]
        best = results["machine"]["kernel_levels"][-1]
        line(axis, [r for r in one if r["name"] == f"facegate {best}"], "templates", field,
             f"facegate {best}", OURS)
        for name, color in zip(("faiss flat", "faiss int8", "numpy", "sqlite vec"), PEERS):
            line(axis, [r for r in one if r["name"] == name], "templates", field, name, color)
    plot(folder, "gallery", "Identify as the gallery grows", "templates", gallery, log=True)

    def clients(axis, field):
        for size, color in (("small", OURS), ("12 megapixels", PEERS[0])):
            rows = [{**r, "ms": r["p50_ms"]} for r in results["daemon"]
                    if r.get("size") == size and "p50_ms" in r]
            line(axis, rows, "connections", field, f"{size}, median answer", color)
    plot(folder, "clients", "The daemon as clients are added, two workers", "connections", clients,
         "ms")


def main():
    options = read_options()
    with open(options.results, encoding="utf-8") as f:
        results = json.load(f)
    m = results["machine"]
    parts = [f"Machine: {m['cpu']}, {m['cores']} cores, {m['system']}; kernel levels "
             f"{', '.join(m['kernel_levels'])}; Python {m['python']}.\n"]
    for title, make in (("Embedder", embedder), ("Detection", detect), ("Verify", verify),
                        ("Search", search), ("The daemon under load", daemon)):
        parts.append(f"### {title}\n\n{make(results)}")
    folder = WORK if options.quick else os.path.dirname(PAGE)
    plots(results, os.path.join(folder, "performance"))
    with open(PAGE, encoding="utf-8") as f:
        page = f.read()
    head, tail = page.split(MARKS[0])[0], page.split(MARKS[1])[1]
    with open(os.path.join(folder, os.path.basename(PAGE)), "w", encoding="utf-8") as f:
        f.write(head + MARKS[0] + "\n" + "\n".join(parts) + MARKS[1] + tail)


if __name__ == "__main__":
    main()
