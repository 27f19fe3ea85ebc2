// Enrolment: pictures of one person, looked at before they are sent.
import { ask, pictures } from "/console/api.js";
import { choice, field, form, h, idInput, input, notice, put } from "/console/dom.js";
import { picker } from "/console/picture.js";

export const title = "Enrol";

export async function show(place, { id, signal }) {
  const send = h("button", { class: "main", disabled: true }, "Enrol");
  const done = h("div");
  const chooser = picker({ several: true, signal, changed: () => {
    const n = chooser.list().length;
    send.disabled = !chooser.ready();
    send.textContent = n > 1 ? `Enrol ${n} pictures` : "Enrol";
    if (n) done.replaceChildren();
  } });
  put(place, h("h1", {}, title), form({}, async (data) => {
    const sent = chooser.list();
    const answer = await (await ask("/enroll", { method: "POST", signal,
      body: pictures(sent, Object.fromEntries(data)) })).json();
    chooser.clear(sent);
    done.replaceChildren(notice("Enrolled ", h("a", { href: `#/people/${answer.person_id}` }, answer.person_id),
      ` with ${answer.enrolled.length} new of ${answer.templates} templates.`));
  },
  h("div", { class: "grid" },
    field("Id", idInput("person_id", { required: true, value: id ?? "" }), "Known already, or new."),
    field("Name", input("name", { maxlength: 128 }), "Empty keeps the name there is."),
    field("Templates there are", choice("mode", [["append", "keep, and add"], ["replace", "replace"]])),
    field("Face of somebody else", choice("duplicate", [["refuse", "refuse"], ["allow", "enrol it, for twins"]]))),
  chooser.element, h("p", {}, "All pictures are taken, or none."), h("div", { class: "buttons" }, send)), done);
}
