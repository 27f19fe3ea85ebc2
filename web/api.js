// Every question to the daemon goes through here: with the operator's key, and
// with its refusals as exceptions.
import { button, h } from "/console/dom.js";

const STORED = "facegate-key";

/** The key lives as long as the browser's tab. */
export const key = {
  get: () => sessionStorage.getItem(STORED),
  set: (text) => sessionStorage.setItem(STORED, text),
  forget: () => sessionStorage.removeItem(STORED),
};

export class Refused extends Error {
  constructor(status, problem) {
    super(problem?.detail ?? `The daemon answered ${status}.`);
    this.status = status;
    this.problem = problem;
  }
}

let asking = null;

/** Asks for a key; false when the operator would rather not. */
function askKey(why) {
  asking ??= new Promise((resolve) => {
    const input = h("input", { id: "key", type: "password", autocomplete: "off", required: true, spellcheck: "false",
      // What a header can carry.
      pattern: "\\s*[!-~]+\\s*", title: "The whole key: no spaces, no … for what was left out" });
    const dialog = h("dialog", { "aria-labelledby": "key-head", onclose: () => {
      dialog.remove();
      asking = null;
      resolve(dialog.returnValue === "given");
    } },
    h("form", { onsubmit: (event) => {
      event.preventDefault();
      key.set(input.value.trim());
      dialog.close("given");
    } },
    h("h2", { id: "key-head" }, "Your API key"), h("p", { role: "alert" }, why),
    h("label", { for: "key" }, "API key"), input,
    h("p", {}, h("small", {}, "Kept in this tab until you close it or forget it under Keys.")),
    h("div", { class: "buttons" },
      button("Not now", () => dialog.close("none")),
      h("button", { class: "main" }, "Use this key"))));
    document.body.append(dialog);
    dialog.showModal();
  });
  return asking;
}

function address(path, query) {
  const given = Object.entries(query ?? {}).filter(([, value]) => value != null && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

/** Pictures and parameters as a form. */
export function pictures(list, parameters) {
  const body = new FormData();
  for (const [name, value] of Object.entries(parameters ?? {})) if (value) body.append(name, value);
  list.forEach((picture, i) => body.append("image", picture, `${i}.jpg`));
  return body;
}

/** Options: method, query, json or body, accept, signal; state: the ETag of what
 * is to be changed, "" for what must not be there yet. Gives the answer. */
export async function ask(path, { method = "GET", query, json, body, accept, signal, state } = {}) {
  for (;;) {
    const headers = {};
    const used = key.get();
    if (used) headers["X-Api-Key"] = used;
    if (json) headers["Content-Type"] = "application/json";
    if (accept) headers.Accept = accept;
    if (state != null) headers[state ? "If-Match" : "If-None-Match"] = state || "*";
    const answer = await fetch(address(path, query), {
      method, headers, signal, body: json ? JSON.stringify(json) : body, cache: "no-store" });
    if (answer.ok) return answer;
    const refused = new Refused(answer.status, await answer.json().catch(() => null));
    if (answer.status !== 401) throw refused;
    // Another question may have been given a key in the meantime.
    if (key.get() !== used) continue;
    key.forget();
    if (!await askKey(used ? refused.message : `This daemon asks for a key: ${refused.message}.`)) throw refused;
  }
}

export async function get(path, query, signal) {
  return (await ask(path, { query, signal })).json();
}

/** Waits; ends with an exception when the page is left. */
export function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason);
    if (signal.aborted) return leave();
    signal.addEventListener("abort", leave, { once: true });
    setTimeout(() => {
      signal.removeEventListener("abort", leave);
      resolve();
    }, ms);
  });
}
