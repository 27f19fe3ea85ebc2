// The match log: what was decided, newest first, followed as it grows.
import { ask, get, Refused, sleep } from "/console/api.js";
import { announce, badge, button, choice, day, facts, field, form, fromLocal, h, idInput, input, put, scoreBar, table, time,
  timeOfDay, toLocal } from "/console/dom.js";

export const title = "Match log";

const ROWS_MAX = 500;
const EVERY_MS = 2000;
const REASONS = ["match", "below_threshold", "low_quality", "no_face", "several_faces", "face_too_small",
  "no_templates", "other_model", "person_expired", "not_in_group", "outside_schedule"];
const FILTERS = ["person_id", "door_id", "decision", "reason", "from", "to", "min_score"];

const person = (row) => (row.person_id ? h("a", { href: `#/people/${row.person_id}` }, row.person_id) : "nobody");

function line(row) {
  return h("tr", { class: "row" },
    h("td", {}, h("a", { href: `#/log/${row.log_id}` }, timeOfDay(row.at)),
      h("small", {}, day(row.at), h("span", { class: "wide" }, ` · ${row.route}`))),
    h("td", {}, badge(row.decision), h("small", {}, row.reason.replaceAll("_", " "))),
    h("td", {}, person(row), h("small", {}, row.door_id ? `at ${row.door_id}` : "no door")),
    h("td", { class: "scored" }, row.score == null ? "–" : [scoreBar(row.score, row.threshold),
      h("small", {}, `${row.score.toFixed(3)} ${row.score >= row.threshold ? "≥" : "<"} ${row.threshold.toFixed(3)}`)]),
    h("td", { class: "wide number" }, `${row.ms.toFixed(0)} ms`));
}

function filterForm(query) {
  const value = (name) => query.get(name) ?? "";
  const when = (name) => input(name, { type: "datetime-local", step: 1, value: toLocal(value(name)) });
  return h("details", { open: FILTERS.some((name) => query.has(name)) },
    h("summary", {}, "Filters"),
    form({ class: "grid" }, (data) => {
      const chosen = new URLSearchParams();
      for (const name of FILTERS) {
        const text = data.get(name);
        if (text) chosen.set(name, name === "from" || name === "to" ? fromLocal(text) : text);
      }
      location.hash = `#/log?${chosen}`;
    },
    field("Person", idInput("person_id", { value: value("person_id") })),
    field("Door", idInput("door_id", { value: value("door_id") })),
    field("Decision", choice("decision", [["", "any"], "allow", "deny", "unsure"], value("decision"))),
    field("Reason", choice("reason", [["", "any"], ...REASONS.map((r) => [r, r.replaceAll("_", " ")])],
      value("reason"))),
    field("From", when("from")), field("Until", when("to")),
    field("Score at least", input("min_score", { type: "number", min: -1, max: 1, step: 0.01,
      value: value("min_score") })),
    h("div", { class: "buttons" }, h("a", { class: "button", href: "#/log" }, "Clear"),
      h("button", { class: "main" }, "Apply"))));
}

async function save(filter, signal) {
  const csv = await ask("/logs", { query: filter, accept: "text/csv", signal });
  const link = h("a", { href: URL.createObjectURL(await csv.blob()), download: "facegate-log.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

async function showOne(place, id, signal) {
  const row = await get(`/logs/${id}`, null, signal);
  put(place, h("h1", {}, `Row ${row.log_id} of the match log`),
    h("p", {}, badge(row.decision), ` ${row.reason.replaceAll("_", " ")}`),
    row.score == null ? "" : scoreBar(row.score, row.threshold),
    facts([["Time", time(row.at)], ["Route", row.route], ["Person", person(row)], ["Door", row.door_id],
      ["Score", row.score?.toFixed(4)], ["Threshold", row.threshold?.toFixed(4)], ["Model", row.model],
      ["Took", `${row.ms} ms`], ["Most of the pool", `${row.pool_peak_bytes} bytes`], ["Request", row.request_id]]),
    h("p", {}, h("a", { href: "#/log" }, "Back to the log")));
}

export async function show(place, { id, query, signal }) {
  if (id) return showOne(place, id, signal);
  const filter = Object.fromEntries(FILTERS.map((name) => [name, query.get(name)]));
  const rows = h("tbody");
  const state = h("span", { class: "state", role: "status" });
  const none = h("p", { hidden: true }, query.size ? "No row passes these filters." : "Nothing was decided yet.");
  let paused = false;
  const pause = button("Pause", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", paused);
    tell();
  }, { "aria-pressed": "false" });
  const tell = () => { state.textContent = paused ? "❚❚ paused" : "● live"; };
  const older = button("Older", async () => {
    const more = await get("/logs", { ...filter, before }, signal);
    before = more.next;
    rows.append(...more.logs.map(line));
    settle();
  }, { hidden: true });

  put(place, h("h1", {}, title),
    h("div", { class: "toolbar" }, state, pause, button("Save as CSV", () => save(filter, signal))),
    filterForm(query),
    table("Decisions, newest first",
      ["Time", "Decision", "Who", "Score", ["Took", "wide number"]], rows),
    none, older);

  const page = await get("/logs", filter, signal);
  let newest = page.logs[0]?.log_id ?? 0;
  let before = page.next;
  const settle = () => {
    none.hidden = rows.children.length > 0;
    older.hidden = !before;
  };
  rows.append(...page.logs.map(line));
  settle();
  tell();
  place.removeAttribute("aria-busy");

  for (let full = false; ;) {
    if (!full) await sleep(EVERY_MS, signal);
    full = false;
    if (paused || document.hidden) continue;
    try {
      const fresh = await get("/logs", { ...filter, after: newest, limit: 200 }, signal);
      tell();
      if (paused || !fresh.logs.length) continue;
      full = fresh.next != null;
      newest = fresh.logs.at(-1).log_id;
      for (const row of fresh.logs) {
        const element = line(row);
        element.classList.add("new");
        rows.prepend(element);
      }
      // What is dropped at the end can be had again with Older.
      while (rows.children.length > ROWS_MAX) rows.lastChild.remove();
      if (rows.children.length === ROWS_MAX) before = rows.lastChild.querySelector("a").hash.split("/")[2];
      settle();
      const last = fresh.logs.at(-1);
      announce(`${fresh.logs.length} new: ${last.decision} ${last.person_id ?? "nobody"}` +
        (last.door_id ? ` at ${last.door_id}` : ""));
    } catch (error) {
      if (signal.aborted || (error instanceof Refused && error.status < 500)) throw error;
      state.textContent = "○ no answer, trying again";
    }
  }
}
