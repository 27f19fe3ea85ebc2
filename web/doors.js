// Doors: what each asks of a face, whom it lets in, and when.
import { ask, get } from "/console/api.js";
import { button, choice, dangerous, field, form, h, idInput, input, notice, paged, put, table, words } from "/console/dom.js";

export const title = "Doors";

const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const RATES = [1e-2, 1e-3, 1e-4, 1e-5, 1e-6];
const CARDS = [["", "none"], "wiegand26", "wiegand34", "wiegand37", "wiegand37n"];

const rate = (fmr) => `one stranger in ${Math.round(1 / fmr).toLocaleString()}`;
const cut = (door) => (door.min_score != null ? `score of ${door.min_score}`
  : door.target_fmr ? rate(door.target_fmr) : "as the daemon's default");
const when = (door) => door.windows.map((w) => `${w.days.join(" ")} ${w.from}–${w.to}`).join("; ") || "always";

const row = (door) => h("tr", {},
  h("td", {}, h("a", { href: `#/doors/${door.door_id}` }, door.door_id)), h("td", {}, cut(door)),
  h("td", {}, door.groups.join(", ") || "everybody"), h("td", { class: "wide" }, when(door)),
  h("td", { class: "wide" }, door.credential ?? "–"));

async function showAll(place, signal) {
  const list = paged(async (after) => {
    const page = await get("/doors", { after }, signal);
    return [page.doors.map(row), page.next];
  }, "No door has rules: a door's id is a label for the log.");
  put(place, h("h1", {}, title), table("Doors, ordered by id", ["Id", "Lets by", "For", ["When", "wide"],
    ["Card format", "wide"]], list.rows), list.rest,
  h("h2", {}, "Add a door"),
  form({ class: "line" }, (data) => { location.hash = `#/doors/${data.get("door_id")}?new`; },
    field("Id", idInput("door_id", { required: true })), h("button", { class: "main" }, "Next")),
  h("p", {}, "Once one door has rules, an id without rules is refused."));
  await list.load();
}

/** One line of a door's week. */
function span(w) {
  const time = (name, label, value, range, pattern) => field(label, input(name, { size: 5, required: true, value,
    pattern, title: `hh:mm, ${range}` }));
  const element = h("fieldset", { class: "window" }, h("legend", {}, "Open"),
    h("div", { class: "days" }, DAYS.map((day) => h("label", {},
      h("input", { type: "checkbox", value: day, checked: w.days.includes(day) }), day))),
    time("from", "From", w.from, "before 24:00", "([01]\\d|2[0-3]):[0-5]\\d"),
    time("to", "To", w.to, "00:01 to 24:00", "(?!00:00)([01]\\d|2[0-3]):[0-5]\\d|24:00"),
    button("Remove", () => element.remove()));
  return element;
}

const spanValue = (element) => ({
  days: [...element.querySelectorAll(":checked")].map((box) => box.value),
  from: element.querySelector("[name=from]").value, to: element.querySelector("[name=to]").value });

async function showOne(place, id, fresh, signal) {
  const found = await ask(`/doors/${id}`, { signal }).catch((error) => {
    if (!fresh || error.status !== 404) throw error;
  });
  const door = found ? await found.json() : { groups: [], windows: [], timezone: "UTC" };
  let state = found?.headers.get("ETag") ?? "";
  const week = h("div", {}, door.windows.map(span));
  // A rate that somebody set over the API stays on the list.
  const rates = [...new Set([...RATES, ...(door.target_fmr ? [door.target_fmr] : [])])].sort((a, b) => b - a);
  const score = input("min_score", { type: "number", min: -1, max: 1, step: "any", value: door.min_score });
  put(place, h("h1", {}, `Door ${id}`),
    fresh && notice(found ? "It has rules already: these." : "Not there until you save it."),
    form({}, async (data, element) => {
      const body = { groups: words(data.get("groups")), timezone: data.get("timezone"),
        windows: [...week.children].map(spanValue), credential: data.get("credential") || null };
      if (body.windows.some((w) => !w.days.length || w.from === w.to))
        throw new Error("Each time needs a day of the week, and an end other than its beginning.");
      if (score.value !== "") body.min_score = +score.value;
      else if (data.get("target_fmr")) body.target_fmr = +data.get("target_fmr");
      const stored = await ask(`/doors/${id}`, { method: "PUT", json: body, state, signal });
      state = stored.headers.get("ETag");
      element.querySelector(".fault").replaceChildren(notice("Saved."));
      remove.hidden = false;
    },
    h("div", { class: "grid" },
      field("Strangers who may get by", choice("target_fmr", [["", "the daemon's default"],
        ...rates.map((fmr) => [String(fmr), rate(fmr)])], String(door.target_fmr ?? ""))),
      field("Or: score at least", score, "Instead of a rate; does not tighten with the number of people."),
      field("Groups let in", input("groups", { value: door.groups.join(", ") }), "Empty: everybody."),
      field("Card format to replay", choice("credential", CARDS, door.credential ?? "")),
      field("Time zone", input("timezone", { value: door.timezone, required: true }), "Such as Europe/Berlin.")),
    h("h2", {}, "Times"), h("p", {}, "Without any, the door is always open to those it lets in."), week,
    h("div", { class: "buttons" }, button("Add a time", () =>
      week.append(span({ days: DAYS.slice(0, 5), from: "08:00", to: "18:00" }))),
    h("button", { class: "main" }, "Save"))));
  const remove = dangerous("Delete this door", `Delete the rules of ${id}?`, async () => {
    await ask(`/doors/${id}`, { method: "DELETE", signal });
    location.hash = "#/doors";
  }, { hidden: !found });
  put(place, h("div", { class: "buttons left" }, h("a", { class: "button", href: "#/doors" }, "All doors"), remove));
}

export const show = (place, { id, query, signal }) =>
  (id ? showOne(place, id, query.has("new"), signal) : showAll(place, signal));
