// One picture, decided as a door would, with the score against the threshold.
import { ask, pictures } from "/console/api.js";
import { badge, choice, facts, field, form, h, idInput, input, put, scoreBar, table } from "/console/dom.js";
import { drawn, picker, qualityFacts } from "/console/picture.js";

export const title = "Try a picture";

const candidate = (c, threshold) => h("tr", {},
  h("td", {}, h("a", { href: `#/people/${c.person_id}` }, c.person_id), h("small", {}, c.name)),
  h("td", { class: "scored" }, c.score == null ? "–" : [scoreBar(c.score, threshold),
    h("small", {}, c.score.toFixed(3))]));

async function outcome(answer, picture) {
  const { score, threshold } = answer;
  const times = Object.entries(answer.ms).map(([stage, ms]) => `${stage} ${ms.toFixed(1)}`).join(", ");
  return h("section", { class: "outcome", "aria-label": "Decision" },
    h("figure", {}, await drawn(picture, answer.face ? [answer.face] : [])),
    h("div", {},
      h("p", { class: "verdict", role: "status" }, badge(answer.decision), ` ${answer.reason.replaceAll("_", " ")}`,
        answer.person_id && h("strong", {}, ` ${answer.name || answer.person_id}`)),
      score != null && [scoreBar(score, threshold), h("p", {}, `Score ${score.toFixed(3)}, threshold ` +
        `${threshold.toFixed(3)}. ` + (answer.target_fmr ? "Of comparisons with strangers, one in " +
        `${Math.round(1 / answer.target_fmr).toLocaleString()} passes it.` : "Its false match rate is not known."))],
      answer.hint && h("p", {}, answer.hint),
      answer.candidates?.length > 0 && table("Candidates", ["Who", "Score"],
        h("tbody", {}, answer.candidates.map((c) => candidate(c, threshold)))),
      answer.quality && qualityFacts(answer.quality),
      facts([["Milliseconds", times], ["Most of the pool", `${answer.pool_peak_bytes.toLocaleString()} bytes`],
        ["Log row", h("a", { href: `#/log/${answer.log_id}` }, answer.log_id)]])));
}

export async function show(place, { signal }) {
  const result = h("div");
  const send = h("button", { class: "main", disabled: true }, "Decide");
  const chooser = picker({ detect: false, signal, changed: () => {
    send.disabled = !chooser.ready();
    result.replaceChildren();
  } });
  const who = field("Person", idInput("person_id", { required: true }));
  const top = field("Candidates", input("top", { type: "number", min: 1, max: 10, value: 5 }));
  const group = field("Group", idInput("group", { maxlength: 32 }), "Empty: everybody.");
  const what = choice("what", [["identify", "Who is it?"], ["verify", "Is it this person?"]]);
  const choose = () => {
    const verify = what.value === "verify";
    who.hidden = !verify;
    top.hidden = group.hidden = verify;
    for (const part of [who, top, group]) part.querySelector("input").disabled = part.hidden;
  };
  what.addEventListener("change", choose);
  choose();
  put(place, h("h1", {}, title), form({}, async (data) => {
    const { what: route, ...parameters } = Object.fromEntries(data);
    const [picture] = chooser.list();
    const answer = await (await ask(`/${route}`, { method: "POST", signal,
      body: pictures([picture], parameters) })).json();
    result.replaceChildren(await outcome(answer, picture));
    result.scrollIntoView({ block: "nearest" });
  },
  h("div", { class: "grid" }, field("Question", what), who, top, group,
    field("Door", idInput("door_id"), "Its rules apply; empty: none.")),
  chooser.element, h("p", {}, "The decision is written to the match log like any other."),
  h("div", { class: "buttons" }, send)), result);
}
