// Pictures from a file or a webcam, and what the daemon finds in them drawn on
// top, before anything is kept.
import { ask, pictures } from "/console/api.js";
import { button, facts, h, problem } from "/console/dom.js";

const SIDE = 720; // of what is drawn, in pixels

const upright = (blob) => createImageBitmap(blob, { imageOrientation: "from-image" });

const toJpeg = (canvas) => new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));

function canvasOf(source, width, height) {
  const canvas = h("canvas", { width, height });
  canvas.getContext("2d").drawImage(source, 0, 0, width, height);
  return canvas;
}

/** A JPEG goes as it is; what else the browser can read is made into one. */
async function jpegOf(file) {
  if (file.type === "image/jpeg") return file;
  const bitmap = await upright(file).catch(() => {
    throw new Error("This is no picture that this browser can read.");
  });
  return toJpeg(canvasOf(bitmap, bitmap.width, bitmap.height));
}

/** Box and landmarks of a face; scale leads from the picture to the canvas. */
function drawFace(context, face, scale, name) {
  const [x, y, width, height] = face.box.map((v) => v * scale);
  const doubtful = face.failed?.length > 0;
  const stroke = (style, thickness, dash) => {
    context.strokeStyle = style;
    context.lineWidth = thickness;
    context.setLineDash(dash);
    context.strokeRect(x, y, width, height);
  };
  stroke("#000", 5, []);
  stroke(doubtful ? "#ffb300" : "#3ddc84", 3, doubtful ? [10, 6] : []);
  context.setLineDash([]);
  for (const [px, py] of face.landmarks) {
    context.beginPath();
    context.arc(px * scale, py * scale, Math.max(3, width / 40), 0, 2 * Math.PI);
    context.fillStyle = "#fff";
    context.fill();
    context.lineWidth = 2;
    context.strokeStyle = "#000";
    context.stroke();
  }
  if (!name) return;
  context.font = "bold 18px system-ui, sans-serif";
  context.lineWidth = 4;
  context.strokeText(name, x + 6, y + 20);
  context.fillText(name, x + 6, y + 20);
}

/** The picture with its faces; said in words for those who do not see it. */
export async function drawn(blob, faces, width, height) {
  const bitmap = await upright(blob);
  const scale = SIDE / Math.max(bitmap.width, bitmap.height);
  const canvas = canvasOf(bitmap, Math.round(bitmap.width * scale), Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  faces.forEach((face, i) => drawFace(context, face, canvas.width / (width ?? bitmap.width),
    faces.length > 1 && String(i + 1)));
  bitmap.close();
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", faces.length === 1 ? "One face, with its box and five landmarks"
    : `${faces.length || "No"} faces, each with its box and five landmarks`);
  return canvas;
}

const PARTS = {
  overall: ["Overall", (v) => `${v.toFixed(0)} of 100`], inter_eye_px: ["Distance of the eyes", (v) => `${v.toFixed(0)} px`],
  sharpness: ["Sharpness", (v) => `${v.toFixed(0)} of 100`], exposure: ["Exposure", (v) => `${v.toFixed(0)} of 100`],
  yaw_deg: ["Turned", (v) => `${v.toFixed(0)}°`], roll_deg: ["Tilted", (v) => `${v.toFixed(0)}°`],
  cut_off: ["Whole face in view", (v) => (v ? "no" : "yes")],
};

/** The components of a quality, with those that failed marked. */
export function qualityFacts(quality, failed = []) {
  return facts(Object.entries(PARTS).filter(([name]) => name in quality).map(([name, [label, show]]) =>
    [label, failed.includes(name) ? h("strong", { class: "poor" }, `⚠ ${show(quality[name])}, not good enough`)
      : show(quality[name])]));
}

function advice(found) {
  const [face] = found.faces;
  if (!face) return ["bad", "No face was found. Look at the camera with your whole face."];
  if (face.failed.length) return ["poor", face.hint];
  const second = found.faces[1];
  if (second && second.box[2] >= face.box[2] / 2) return ["poor", "There are several faces. One person at a time, please."];
  return ["good", "Good enough to enrol."];
}

async function preview(blob, signal) {
  const found = await (await ask("/detect", { method: "POST", body: pictures([blob]), signal })).json();
  const [kind, text] = advice(found);
  return [await drawn(blob, found.faces, found.width, found.height),
    h("figcaption", {}, h("p", { class: `notice ${kind}`, role: "status" }, text),
      found.faces[0] && qualityFacts(found.faces[0].quality, found.faces[0].failed))];
}

function webcam(take, signal) {
  const video = h("video", { autoplay: true, muted: true, playsinline: true, "aria-label": "What the camera sees" });
  const shoot = button("Take the picture", async () =>
    take(await toJpeg(canvasOf(video, video.videoWidth, video.videoHeight))), { class: "main", disabled: true });
  const stage = h("div", { class: "stage", hidden: true }, video, shoot);
  let stream = null;
  const stop = () => {
    stream?.getTracks().forEach((track) => track.stop());
    stream = video.srcObject = null;
    stage.hidden = shoot.disabled = true;
    start.setAttribute("aria-pressed", "false");
  };
  video.addEventListener("playing", () => { shoot.disabled = false; });
  const start = button("Webcam", async () => {
    if (stream) return stop();
    if (!navigator.mediaDevices)
      throw new Error("A browser gives its camera to pages over HTTPS or from localhost only. " +
        "On a phone, choose a file: it offers the camera.");
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 }, facingMode: "user" } });
    if (signal.aborted) return stop();
    video.srcObject = stream;
    stage.hidden = false;
    return start.setAttribute("aria-pressed", "true");
  }, { "aria-pressed": "false" });
  signal.addEventListener("abort", stop);
  return { start, stage };
}

/** Lets somebody choose pictures, one or several. list() gives the JPEGs, clear
 * takes those that were sent away; ready() says that there are some, and that none
 * is looked at any more. changed runs whenever one of these gives something else. */
export function picker({ several = false, detect = true, signal, changed }) {
  const chosen = new Map(); // figure -> JPEG
  const shown = h("div", { class: detect ? "pictures" : "pictures small" });
  const fault = h("div");
  let looking = 0;

  async function add(blob) {
    if (!several) {
      chosen.clear();
      shown.replaceChildren();
    }
    const wait = h("p", { role: "status" }, "Looking for faces…");
    const figure = h("figure", {}, wait);
    shown.append(figure);
    try {
      const jpeg = await jpegOf(blob);
      wait.replaceWith(...(detect ? await preview(jpeg, signal) : [await drawn(jpeg, [])]));
      figure.append(button("Remove", () => {
        chosen.delete(figure);
        figure.remove();
        changed();
      }));
      if (!figure.isConnected) return; // another one has taken its place
      chosen.set(figure, jpeg);
      figure.scrollIntoView({ block: "nearest" });
    } catch (error) {
      figure.remove();
      fault.append(problem(error, blob.name));
    }
  }

  async function addAll(blobs) {
    fault.replaceChildren();
    looking++;
    changed();
    for (const blob of blobs) await add(blob);
    looking--;
    changed();
  }

  function clear(sent) {
    for (const [figure, jpeg] of chosen)
      if (sent.includes(jpeg)) {
        chosen.delete(figure);
        figure.remove();
      }
    changed();
  }

  const camera = webcam((blob) => addAll([blob]), signal);
  const file = h("input", { type: "file", accept: "image/*", multiple: several, class: "unseen", id: "file",
    onchange: async () => {
      const files = [...file.files];
      file.value = ""; // so that the same can be chosen again
      await addAll(files);
    } });
  return {
    list: () => [...chosen.values()], ready: () => !looking && chosen.size > 0, clear,
    element: h("fieldset", { class: "picker" }, h("legend", {}, several ? "Pictures" : "Picture"),
      h("div", { class: "buttons left" }, file, h("label", { class: "button", for: "file" },
        several ? "Choose files" : "Choose a file"), camera.start),
      camera.stage, fault, shown),
  };
}
