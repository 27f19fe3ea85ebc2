// Keys are made and revoked at a shell on the machine, never over the network.
import { key } from "/console/api.js";
import { announce, button, facts, h, put, table } from "/console/dom.js";

export const title = "Keys";

const ROLES = [["door", "verify, identify, compare, detect"], ["kiosk", "enrol, people, detect"],
  ["auditor", "match log, audit log (/audit), metrics, detect; sees scores"],
  ["admin", "everything, doors too; sees scores"]];

const shell = (text, what) => [h("p", {}, what), h("pre", { tabindex: "0" }, h("code", {}, text))];

export async function show(place) {
  const own = h("div");
  const tell = () => {
    const text = key.get();
    own.replaceChildren(text
      ? facts([["In use", `${text.split("_").slice(0, 2).join("_")}_…`]])
      : h("p", {}, "This tab holds no key. If the daemon has any, it asks when one is needed."));
    if (text) own.append(button("Forget the key", () => {
      key.forget();
      tell();
      announce("The key is forgotten.");
    }));
  };
  tell();
  put(place, h("h1", {}, title), h("h2", {}, "Yours"), own, h("h2", {}, "All keys"),
    h("p", {}, "Keys are kept as hashes on the daemon's machine and managed there, so that a stolen key cannot make others. A running daemon follows at once."),
    shell("facegate keys add --role door --label 'north door'", "Make one; it is shown this once:"),
    shell("facegate keys list", "See ids, roles and labels:"),
    shell("facegate keys revoke 5f0c3a91", "Take one back:"),
    h("p", {}, "With --data_dir=FOLDER, when the daemon's data folder is not the default. Before the first key the daemon serves its own machine alone; with the last one revoked, nobody."),
    h("h2", {}, "Roles"), table("What each role may do", ["Role", "May"],
      h("tbody", {}, ROLES.map(([role, may]) => h("tr", {}, h("th", { scope: "row" }, role), h("td", {}, may))))));
}
