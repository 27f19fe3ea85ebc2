// Makes elements, and the few pieces that every page is built from. Text only
// ever becomes text nodes: nothing that came over the network is read as HTML.

function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

export const h = (tag, attributes, ...children) =>
  build(document.createElement(tag), attributes, children);

export const svg = (tag, attributes, ...children) =>
  build(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

/** Puts what h takes as children behind what is in an element already. */
export const put = (element, ...children) => build(element, {}, children);

/** For people who listen: said by a screen reader, seen by nobody. */
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}

let made = 0;

/** An input under its label. */
export function field(label, input, note) {
  input.id ||= `field-${++made}`;
  const help = note && h("small", { id: `${input.id}-note` }, note);
  if (help) input.setAttribute("aria-describedby", help.id);
  return h("div", { class: "field" }, h("label", { for: input.id }, label), input, help);
}

export const input = (name, attributes) => h("input", { name, autocomplete: "off", ...attributes });

/** A list of choices: values, or [value, text]. */
export const choice = (name, options, chosen) =>
  h("select", { name }, options.map((option) => {
    const [value, text] = Array.isArray(option) ? option : [option, option];
    return h("option", { value, selected: value === chosen }, text);
  }));

/** The id of a person or a door, as the API takes it. */
export const idInput = (name, attributes) =>
  input(name, { maxlength: 64, pattern: "[A-Za-z0-9._:@\\-]+", autocapitalize: "none", spellcheck: "false",
    title: "1 to 64 characters of A-Z a-z 0-9 . _ : @ -", ...attributes });

/** A form that never navigates. What send throws is shown under it. */
export function form(attributes, send, ...children) {
  const fault = h("div", { class: "fault" });
  const element = h("form", { ...attributes, onsubmit: async (event) => {
    event.preventDefault();
    const button = event.submitter ?? element.querySelector("button:not([type=button])");
    if (button?.hasAttribute("aria-busy")) return;
    fault.replaceChildren();
    button?.setAttribute("aria-busy", "true");
    try {
      await send(new FormData(element), element);
    } catch (error) {
      fault.replaceChildren(problem(error));
    } finally {
      button?.removeAttribute("aria-busy");
    }
  } }, ...children, fault);
  return element;
}

/** A button that does something. What run throws is shown behind it. */
export function button(text, run, attributes) {
  let fault = null;
  const element = h("button", { type: "button", ...attributes, onclick: async () => {
    fault?.remove();
    try {
      await run(element);
    } catch (error) {
      fault = problem(error);
      element.after(fault);
    }
  } }, text);
  return element;
}

/** A button that asks first, for what cannot be undone. */
export const dangerous = (text, question, run, attributes) =>
  button(text, async () => await confirmed(question) && run(), { class: "danger", ...attributes });

/** What went wrong, in the daemon's own words. file: the name of the one picture that was sent. */
export function problem(error, file) {
  const p = error.problem;
  return h("div", { class: "notice bad", role: "alert" },
    h("strong", {}, file && `${file}: `, p?.title ?? "That did not work"), h("p", {}, error.message),
    p?.part && !file && h("p", {}, `It is about picture ${parseInt(p.part.match(/\d+/), 10) + 1}.`),
    p?.hint && h("p", {}, p.hint),
    p?.person_id && h("p", {}, "Enrolled as ", h("a", { href: `#/people/${p.person_id}` }, p.person_id), "."),
    p?.code === "changed_meanwhile" &&
      button("Show it as it is now", () => dispatchEvent(new Event("hashchange"))),
    p && h("small", {}, `${p.code}, request ${p.request_id}`));
}

export const notice = (...children) => h("p", { class: "notice", role: "status" }, ...children);

function confirmed(question) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { "aria-label": question, onclose: () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    } }, h("p", {}, question), h("div", { class: "buttons" }, button("Keep", () => dialog.close("no")),
      button("Delete", () => dialog.close("yes"), { class: "danger" })));
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** heads: texts, or [text, class]. rows: the table's body. */
export function table(caption, heads, rows) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", {}, h("caption", { class: "unseen" }, caption),
      h("thead", {}, h("tr", {}, heads.map((head) => {
        const [text, kind] = [head].flat();
        return h("th", { scope: "col", class: kind }, text);
      }))), rows));
}

/** Rows that come page by page. take(after) gives [rows, the next after]. */
export function paged(take, empty) {
  const rows = h("tbody");
  const none = h("p", { hidden: true }, empty);
  let after = null;
  const load = async () => {
    const [lines, next] = await take(after);
    rows.append(...lines);
    after = next;
    more.hidden = next == null;
    none.hidden = rows.children.length > 0;
  };
  const more = button("More", load, { hidden: true });
  return { rows, load, rest: [none, more] };
}

/** Names and values, one under the other. */
export const facts = (pairs) =>
  h("dl", { class: "facts" }, pairs.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value ?? "–")]));

const shown = (styles) => {
  const format = new Intl.DateTimeFormat(undefined, styles);
  return (text) => (text ? h("time", { datetime: text, title: text }, format.format(new Date(text))) : "–");
};
export const time = shown({ dateStyle: "medium", timeStyle: "medium" });
export const timeOfDay = shown({ timeStyle: "medium", hourCycle: "h23" });
export const day = shown({ month: "short", day: "numeric" });

/** From the API's UTC, as text or as milliseconds, to what an input of local times shows, and back. */
export function toLocal(text) {
  const date = new Date(/^\d+$/.test(text) ? +text : text || NaN);
  const local = new Date(date - date.getTimezoneOffset() * 60000);
  return isNaN(local) ? "" : local.toISOString().slice(0, 19);
}
export const fromLocal = (text) => (text ? new Date(text).toISOString() : null);

export const words = (text) => text.split(/[\s,]+/).filter(Boolean);

export function bytes(n) {
  if (n < 1024) return `${n} B`;
  return n < 1048576 ? `${(n / 1024).toFixed(0)} KiB` : `${(n / 1048576).toFixed(1)} MiB`;
}

const MARKS = { allow: "✓", deny: "✕", unsure: "?" };
export const badge = (decision) =>
  h("span", { class: `badge ${decision}` }, h("span", { "aria-hidden": "true" }, `${MARKS[decision]} `), decision);

/** A score against its threshold, drawn from -0.5 to 1. */
export function scoreBar(score, threshold) {
  const at = (value) => `${(Math.min(Math.max(value, -0.5), 1) + 0.5) / 1.5 * 100}%`;
  const passed = score >= threshold;
  const text = `score ${score.toFixed(3)}, ${passed ? "at or above" : "below"} the threshold ${threshold.toFixed(3)}`;
  return svg("svg", { class: `score ${passed ? "passed" : "missed"}`, role: "img", "aria-label": text },
    svg("title", {}, text),
    svg("rect", { class: "track", width: "100%", height: "100%", rx: 3 }),
    svg("rect", { class: "value", width: at(score), height: "100%", rx: 3 }),
    svg("line", { class: "cut", x1: at(threshold), x2: at(threshold), y1: 0, y2: "100%" }));
}
