// How the daemon is doing: what /readyz, /version and /metrics say, followed.
import { ask, get, Refused, sleep } from "/console/api.js";
import { bytes, facts, h, problem, put, svg, table } from "/console/dom.js";

export const title = "Health";

const EVERY_MS = 2000;
const KEPT = 60;

/** Prometheus' text as {name: [[labels, value], ...]}. */
function parse(text) {
  const all = {};
  for (const [, name, labels, value] of text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm))
    (all[name] ??= []).push([Object.fromEntries([...(labels ?? "").matchAll(/(\w+)="([^"]*)"/g)].map((m) => [m[1], m[2]])),
      Number(value)]);
  return all;
}

const sum = (rows, fits = () => true) => (rows ?? []).reduce((n, [labels, v]) => (fits(labels) ? n + v : n), 0);
const one = (metrics, name) => sum(metrics[`facegate_${name}`]);

/** A line over the last polls, with its latest value in words. */
function chart(name, unit, values, top) {
  const max = Math.max(top ?? 1, ...values);
  const latest = `${+values.at(-1).toPrecision(3)} ${unit}`.trim();
  const at = (v, i) => `${(KEPT - values.length + i) * 300 / (KEPT - 1)},${(78 - 74 * v / max).toFixed(1)}`;
  return h("figure", { class: "chart" }, h("figcaption", {}, name, h("strong", {}, latest)),
    svg("svg", { viewBox: "0 0 300 80", preserveAspectRatio: "none", role: "img",
      "aria-label": `${name}: now ${latest}, at most ${+Math.max(...values).toPrecision(3)} lately` },
    svg("polyline", { class: "line", points: values.map(at).join(" ") })),
    h("small", {}, `up to ${+max.toPrecision(3)} ${unit}`.trim()));
}

/** How much of something is used. */
function level(name, used, all, show) {
  const text = `${show(used)} of ${show(all)}`;
  const id = `level-${name.replaceAll(" ", "-")}`;
  return h("div", { class: "level" }, h("label", { for: id }, name), h("meter", { id, max: all, value: used, high: all * 0.9 },
    text), h("small", {}, text));
}

function bars(name, what, unit, pairs) {
  const max = Math.max(...pairs.map(([, v]) => v), 1e-9);
  return table(name, [what, unit], h("tbody", {}, pairs.map(([label, v]) => h("tr", {},
    h("th", { scope: "row" }, label), h("td", { class: "scored" },
      svg("svg", { class: "score passed", "aria-hidden": "true" },
        svg("rect", { class: "value", width: `${v / max * 100}%`, height: "100%", rx: 3 })),
      h("small", {}, +v.toPrecision(3)))))));
}

function stages(metrics) {
  const times = metrics.facegate_stage_seconds_sum ?? [];
  return times.map(([{ stage }, seconds]) => {
    const n = sum(metrics.facegate_stage_seconds_count, (l) => l.stage === stage);
    return [stage, n ? seconds / n * 1000 : 0];
  });
}

function histogram(metrics) {
  let below = 0;
  return (metrics.facegate_stage_seconds_bucket ?? []).filter(([l]) => l.stage === "total").map(([l, n]) => {
    const own = n - below;
    below = n;
    return [l.le === "+Inf" ? "more" : `≤ ${Math.round(l.le * 1000)} ms`, own];
  }).filter(([, n]) => n > 0);
}

const decisions = (metrics, word) => sum(metrics.facegate_decisions_total, (l) => l.decision === word);

/** What the counters say now, and since the poll before. */
function draw(metrics, history) {
  const column = (name) => history.map((point) => point[name]);
  return [
    h("div", { class: "charts" },
      chart("Requests", "a second", column("rate")),
      chart("Requests at work", `of ${one(metrics, "uploads")}`, column("busy"), one(metrics, "uploads")),
      chart("Pictures, mean time", "ms", column("ms")),
      chart("Resident memory", "MiB", column("resident"))),
    h("div", { class: "levels" },
      level("Most of a worker's pool", one(metrics, "pool_peak_bytes"), one(metrics, "pool_bytes"), bytes),
      level("Templates", one(metrics, "gallery_templates"), one(metrics, "gallery_capacity"), (n) => n.toLocaleString())),
    facts([["Decisions", `${decisions(metrics, "allow")} allow, ${decisions(metrics, "deny")} deny, ${decisions(metrics, "unsure")} unsure`],
      ["Errors", String(one(metrics, "problems_total"))],
      ["Database", `${bytes(one(metrics, "database_bytes"))} and ${bytes(one(metrics, "wal_bytes"))} of log`],
      ["Running since", new Date(one(metrics, "start_time_seconds") * 1000).toLocaleString()]]),
    h("h2", {}, "Time by stage"), h("p", {}, "Mean of every picture since the start."),
    bars("Time by stage", "Stage", "ms", stages(metrics)),
    h("h2", {}, "How long pictures took"), bars("How long pictures took", "Time", "requests", histogram(metrics)),
  ];
}

function point(metrics, last) {
  const total = (labels) => labels.stage === "total";
  const now = { at: performance.now(), requests: one(metrics, "requests_total"),
    seconds: sum(metrics.facegate_stage_seconds_sum, total), pictures: sum(metrics.facegate_stage_seconds_count, total),
    busy: one(metrics, "uploads") - one(metrics, "uploads_free"), resident: one(metrics, "resident_bytes") / 1048576 };
  const pictures = now.pictures - (last?.pictures ?? now.pictures);
  // Its own question is not counted.
  now.rate = last ? Math.max(0, (now.requests - last.requests - 1) / (now.at - last.at) * 1000) : 0;
  now.ms = pictures > 0 ? (now.seconds - last.seconds) / pictures * 1000 : last?.ms ?? 0;
  return now;
}

export async function show(place, { signal }) {
  const state = h("p", { class: "verdict", role: "status" });
  const live = h("div");
  const about = h("div");
  put(place, h("h1", {}, title), state, live, about);
  const version = await get("/version", null, signal);
  about.append(h("h2", {}, "What runs"), facts([...Object.entries(version).filter(([, v]) => typeof v !== "object"),
    ...Object.entries(version.limits)].map(([name, v]) => [name.replaceAll("_", " "), String(v)])));

  let history = [];
  for (let allowed = true; ; await sleep(EVERY_MS, signal)) {
    if (document.hidden) continue;
    try {
      const ready = await get("/readyz", null, signal);
      state.replaceChildren(h("span", { class: "badge allow" }, "✓ ready"),
        ` The built-in face passed its test with ${ready.selftest_score.toFixed(4)}.`);
      if (!allowed) continue;
      const metrics = parse(await (await ask("/metrics", { signal })).text());
      history = [...history, point(metrics, history.at(-1))].slice(-KEPT);
      live.replaceChildren(...draw(metrics, history));
      place.removeAttribute("aria-busy");
    } catch (error) {
      if (signal.aborted) throw error;
      // A key that may not see the counters still sees whether all is well.
      if (error instanceof Refused && error.status < 500) {
        allowed = false;
        live.replaceChildren(problem(error));
      } else {
        state.replaceChildren(h("span", { class: "badge deny" }, "✕ not ready"), ` ${error.message}`);
      }
    }
  }
}
