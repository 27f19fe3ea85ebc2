// Which page is shown: the address after the #, as #/page/id?parameters.
import { h, problem } from "/console/dom.js";
import * as log from "/console/log.js";
import * as people from "/console/people.js";
import * as enrol from "/console/enrol.js";
import * as attempt from "/console/try.js";
import * as doors from "/console/doors.js";
import * as health from "/console/health.js";
import * as keys from "/console/keys.js";

const pages = { log, people, enrol, try: attempt, doors, health, keys };
const main = document.getElementById("main");
const ID = /^(?!\.{1,2}$)[\w.:@-]{1,64}$/;
let leave = new AbortController();

/** event: nothing the first time. */
async function show(event) {
  const [path, query] = location.hash.slice(1).split("?");
  const [, name, id] = path.split("/");
  const page = pages[name] ?? log;
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;

  for (const link of document.querySelectorAll("nav a"))
    if (pages[link.hash.slice(2)] === page) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  // A page draws into a place of its own, so that one that is left cannot
  // draw into the next one.
  const place = h("div", { class: "page" });
  main.replaceChildren(place);
  if (event) main.focus({ preventScroll: true });
  scrollTo(0, 0);
  document.title = `${page.title} · facegate`;
  place.setAttribute("aria-busy", "true");
  try {
    // It becomes part of an address of the API.
    if (id && !ID.test(id)) throw new Error("There is no such page.");
    await page.show(place, { id, query: new URLSearchParams(query), signal });
  } catch (error) {
    if (!signal.aborted) place.append(problem(error));
  } finally {
    place.removeAttribute("aria-busy");
  }
}

document.getElementById("skip").addEventListener("click", () => main.focus());
addEventListener("hashchange", show);
show();
