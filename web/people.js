// People: the list by id, and one person with groups, dates and templates.
import { ask, get } from "/console/api.js";
import { dangerous, facts, field, form, fromLocal, h, idInput, input, notice, paged, put, table, time, toLocal, words } from "/console/dom.js";

export const title = "People";

function validity(person) {
  const now = new Date().toISOString();
  if (person.valid_from > now) return ["from ", time(person.valid_from)];
  if (!person.valid_until) return "always";
  return [person.valid_until <= now ? "ended " : "until ", time(person.valid_until)];
}

const row = (person) => h("tr", {},
  h("td", {}, h("a", { href: `#/people/${person.person_id}` }, person.person_id)),
  h("td", {}, person.name || "–"), h("td", { class: "wide" }, person.groups.join(", ") || "–"),
  h("td", { class: "wide" }, validity(person)), h("td", { class: "number" }, person.templates));

async function showAll(place, query, signal) {
  const search = query.get("search") ?? "";
  const list = paged(async (after) => {
    // A search gives up after some rows, and may have found nobody among them.
    let page = { next: after };
    do page = await get("/people", { after: page.next, search }, signal);
    while (page.people.length === 0 && page.next);
    return [page.people.map(row), page.next];
  }, search ? "Nobody is called like this." : "Nobody is known yet.");
  put(place, h("h1", {}, title),
    form({ class: "line", role: "search" }, (data) => {
      location.hash = `#/people?search=${encodeURIComponent(data.get("search"))}`;
    }, field("Name or id contains", input("search", { type: "search", maxlength: 128, value: search })),
    h("button", {}, "Find")),
    table("People, ordered by id",
      ["Id", "Name", ["Groups", "wide"], ["Valid", "wide"], ["Templates", "number"]], list.rows), list.rest,
    h("h2", {}, "Add somebody"),
    form({ class: "line" }, async (data) => {
      const id = data.get("person_id");
      await ask("/people", { method: "POST", json: { person_id: id, name: data.get("name") }, signal });
      location.hash = `#/people/${id}`;
    }, field("Id", idInput("person_id", { required: true })), field("Name", input("name", { maxlength: 128 })),
    h("button", { class: "main" }, "Add")),
    h("p", {}, h("a", { href: "#/enrol" }, "Enrol with a picture"), " adds whoever is not known yet."));
  await list.load();
}

/** JSON whose numbers stay as they are written, where the browser can do that. */
const exact = (text) => JSON.parse(text, (_, value, context) =>
  (typeof value === "number" && JSON.rawJSON ? JSON.rawJSON(context.source) : value));

function object(text) {
  try {
    return exact(text || "{}");
  } catch (error) {
    throw new Error(`Metadata is a JSON object, such as {"desk": 4}. ${error.message}.`);
  }
}

// From the text of a field to the member of that name.
const READ = { name: String, groups: words, valid_from: fromLocal, valid_until: fromLocal, metadata: object };

/** A person, with the ETag as state. */
async function read(id, signal) {
  const answer = await ask(`/people/${id}`, { signal });
  const text = await answer.text();
  return { ...JSON.parse(text), metadata: exact(text).metadata, state: answer.headers.get("ETag") };
}

function edit(person, signal) {
  const when = (name) => input(name, { type: "datetime-local", step: 1, value: toLocal(person[name]) });
  const number = (name, max, value) => input(name, { type: "number", min: 0, max, value });
  const element = form({ class: "grid" }, async (data) => {
    const changed = (name) => data.get(name) !== saved.get(name);
    const json = {};
    for (const [name, read] of Object.entries(READ)) if (changed(name)) json[name] = read(data.get(name));
    if (changed("facility") || changed("number")) {
      const [facility, n] = ["facility", "number"].map((name) => (data.get(name) === "" ? null : +data.get(name)));
      if (n == null && facility != null) throw new Error("A card has a number; a facility alone is none.");
      json.card = n == null ? null : { facility, number: n };
    }
    const stored = await ask(`/people/${person.person_id}`, { method: "PATCH", json, state: person.state, signal });
    person.state = stored.headers.get("ETag");
    person.updated_at = (await stored.json()).updated_at;
    saved = data;
    element.querySelector(".fault").replaceChildren(notice("Saved."));
  },
  field("Name", input("name", { value: person.name, maxlength: 128 })),
  field("Groups", input("groups", { value: person.groups.join(", ") }), "Separated by commas; at most 8."),
  field("Valid from", when("valid_from")), field("Valid until", when("valid_until")),
  field("Card: facility", number("facility", 65535, person.card?.facility)),
  field("Card: number", number("number", 2 ** 35 - 1, person.card?.number)),
  field("Metadata", h("textarea", { name: "metadata", rows: 2, spellcheck: "false" }, JSON.stringify(person.metadata)),
    "A JSON object of at most 512 bytes."),
  h("div", { class: "buttons" }, h("button", { class: "main" }, "Save")));
  // What nobody touched is not sent: a field may show less than there is.
  let saved = new FormData(element);
  return element;
}

function templates(person, signal) {
  const id = person.person_id;
  const line = (t) => {
    const element = h("tr", {}, h("td", {}, t.template_id), h("td", { class: "wide" }, t.model),
      h("td", { class: "number" }, t.quality.toFixed(1)), h("td", {}, time(t.created_at)),
      h("td", { class: "wide" }, t.key_id ?? "–"),
      h("td", {}, dangerous("Delete", `Delete template ${t.template_id}? It leaves no bytes behind.`, async () => {
        await ask(`/people/${id}/templates/${t.template_id}`, { method: "DELETE", signal });
        element.remove();
        const now = await read(id, signal);
        if (now.updated_at === person.updated_at) person.state = now.state; // nobody else's change
      }, { "aria-label": `Delete template ${t.template_id}` })));
    return element;
  };
  return paged(async (after) => {
    const page = await get(`/people/${id}/templates`, { after }, signal);
    return [page.templates.map(line), page.next];
  }, "No picture is enrolled.");
}

async function showOne(place, id, signal) {
  const person = await read(id, signal);
  const stored = templates(person, signal);
  put(place, h("h1", {}, person.name || id),
    facts([["Id", id], ["Added", time(person.created_at)], ["Changed", time(person.updated_at)]]),
    edit(person, signal), h("h2", {}, "Templates"), table("Templates", ["Id", ["Model", "wide"], ["Quality", "number"],
      "Enrolled", ["By key", "wide"], h("span", { class: "unseen" }, "Delete")], stored.rows), stored.rest,
    h("div", { class: "buttons left" }, h("a", { class: "button", href: `#/enrol/${id}` }, "Add pictures"),
      h("a", { class: "button", href: `#/log?person_id=${encodeURIComponent(id)}` }, "Match log"),
      dangerous("Delete this person", `Delete ${id} with every template? No byte of the person stays.`, async () => {
        await ask(`/people/${id}`, { method: "DELETE", signal });
        location.hash = "#/people";
      })));
  await stored.load();
}

export const show = (place, { id, query, signal }) =>
  (id ? showOne(place, id, signal) : showAll(place, query, signal));
