// The panel "Try your own": draw a picture, choose a file or take an explained image; the network answers.

import { Answers } from "./answers.js";
import { byId, element } from "./dom.js";
import { Drawing } from "./drawing.js";
import { lifted, looksLikeTraining } from "./lifting.js";
import { drawOn } from "./pens.js";
import { colorsOf, readPicture, resized } from "./picture.js";

/** Fill the panel, or show why the network is missing. */
export function showTryOwn(run, selection) {
  byId("try-words").textContent = run.live.reason ?? run.live.words;
  if (run.live.reason) offerCommand();
  else new TryOwn(run, selection).start();
}

/** The command that explains a file in a shell, where its folder is current. */
export function commandFor(name) {
  const quoted = `'${name.replaceAll("'", String.raw`'\''`)}'`;
  return /[$"`\\]/.test(name) ? `python -m tools.explain ${quoted}` : `make explain IMAGE=${quoted}`;
}

/** Name the command that explains a chosen or dropped file, as the network is not on this page. */
function offerCommand() {
  const show = (file) => {
    if (!file) return;
    const command = element("code", {}, commandFor(file.name));
    const words = " in the folder of this run; write the file's folder in front of its name.";
    byId("command-words").replaceChildren("To explain it, run ", command, words);
  };
  byId("try-command").hidden = false;
  byId("command-file").addEventListener("change", ({ target }) => show(target.files[0]));
  const panel = byId("try");
  panel.addEventListener("dragover", (event) => event.preventDefault());
  panel.addEventListener("drop", (event) => {
    event.preventDefault();
    show(event.dataTransfer.files[0]);
  });
}

class TryOwn {
  #run;
  #selection;
  #drawing;
  #answers;
  #panel = byId("try");
  #canvas = byId("sketch");
  #isStale = false; // until the next frame

  constructor(run, selection) {
    const [, height, width] = run.live.shape;
    this.#run = run;
    this.#selection = selection;
    this.#drawing = new Drawing(width, height, run.live.paper);
    this.#answers = new Answers(run);
  }

  start() {
    const { width, height } = this.#drawing;
    byId("take").hidden = byId("try-panel").hidden = false;
    this.#panel.style.setProperty("--sides", `${width} / ${height}`);
    this.#fillControls(Math.min(width, height));
    this.#listen();
    this.#refresh();
    this.#prepareOnSight();
  }

  #fillControls(side) {
    byId("breadth").max = String(Math.max(3, Math.round(side / 4)));
    byId("breadth").value = String(Math.max(1, Math.round(side / 5.5) / 2)); // 2.5 of 28, as MNIST's pens
    byId("centre").parentElement.hidden = this.#run.nChannels > 1;
    if (this.#run.live.strokes) {
      byId("centre").nextSibling.textContent =
        " Place strokes like the training images, and lift those of a photograph from its paper";
    }
    byId("ink").parentElement.hidden = this.#run.nChannels === 1;
  }

  #listen() {
    const change = () => this.#change();
    const pen = () => ({ color: this.#color(), breadth: Number(byId("breadth").value) });
    drawOn(this.#canvas, this.#drawing, pen, change);
    byId("centre").addEventListener("input", change);
    byId("undo").addEventListener("click", () => this.#undo());
    byId("wipe").addEventListener("click", () => {
      this.#drawing.clear();
      change();
    });
    byId("take").addEventListener("click", () => this.#takeImage());
    byId("file").addEventListener("change", async ({ target }) => {
      if (target.files.length) await this.#takeFile(target.files[0]);
      target.value = ""; // so that the same file can be chosen again
    });
    this.#panel.addEventListener("dragover", (event) => event.preventDefault());
    this.#panel.addEventListener("drop", (event) => {
      event.preventDefault();
      const [file] = event.dataTransfer.files;
      if (file) this.#takeFile(file);
    });
    this.#panel.addEventListener("keydown", (event) => this.#onKey(event));
  }

  /** Prepare the network when the panel comes into view, but not for readers who never scroll here. */
  #prepareOnSight() {
    const observer = new IntersectionObserver(([entry]) => {
      if (!entry.isIntersecting) return;
      this.#answers.prepare();
      observer.disconnect();
    });
    observer.observe(this.#panel);
  }

  /** The colour to draw with: the paper's to erase, its opposite in grey, or the chosen one. */
  #color() {
    const { live, nChannels } = this.#run;
    if (byId("erase").checked) return live.paper;
    if (nChannels === 1) return [255 - live.paper[0]];
    return [1, 3, 5].map((at) => parseInt(byId("ink").value.slice(at, at + 2), 16));
  }

  #change() {
    if (!this.#isStale) requestAnimationFrame(() => this.#refresh());
    this.#isStale = true;
  }

  /** Show the picture and the network's input, and ask about that. */
  #refresh() {
    this.#isStale = false;
    const { isBlank, canMove } = this.#drawing;
    const { file } = this.#drawing.state;
    this.#drawing.lifts = byId("centre").checked;
    this.#drawing.paint(this.#canvas);
    byId("hint").hidden = !isBlank;
    byId("centre").disabled = !canMove && !file?.lifted;
    this.#showFile(file);
    const isMoved = this.#run.nChannels === 1 && byId("centre").checked && canMove && !isBlank;
    const colors = this.#drawing.paint(byId("seen"), isMoved ? this.#drawing.centred() : undefined);
    this.#answers.ask(isBlank ? null : colors);
  }

  /** Show a chosen photograph beside what the network sees, and what became of its handwriting. */
  #showFile(file) {
    byId("photo").hidden = !file;
    byId("lift-note").textContent = file?.note ?? "";
    if (!file) return;
    [byId("photo").width, byId("photo").height] = [file.photo.width, file.photo.height];
    byId("photo").getContext("2d").drawImage(file.photo, 0, 0);
  }

  #undo() {
    this.#drawing.undo();
    this.#change();
  }

  /** Paint on the selected image, enlarged if the page holds it smaller. */
  #takeImage() {
    const { width, height } = this.#drawing;
    const colors = Array.from({ length: width * height }, (_, pixel) => {
      const x = Math.floor(((pixel % width) * this.#run.width) / width);
      const y = Math.floor((Math.floor(pixel / width) * this.#run.height) / height);
      return this.#run.imageColor(this.#selection.image, y * this.#run.width + x);
    });
    this.#drawing.put(colors.flat());
    this.#change();
    this.#panel.scrollIntoView({ block: "start" });
    this.#canvas.focus({ preventScroll: true });
  }

  async #takeFile(file) {
    byId("try-error").textContent = "";
    try {
      const picture = await readPicture(file, this.#run.nChannels);
      const { width, height } = this.#drawing;
      const planes = picture.planes.map((plane) => resized(plane, picture.width, picture.height, width, height));
      this.#drawing.put(colorsOf(planes), { photo: picture.photo, ...this.#lifted(picture) });
      this.#change();
    } catch (error) {
      byId("try-error").textContent = `${file.name}: ${error.message}.`;
    }
  }

  /** The colours of a picture with handwriting lifted from its paper, or null, and a note about it. */
  #lifted({ width, height, planes: [values] }) {
    const style = this.#run.live.strokes;
    const size = [this.#drawing.width, this.#drawing.height];
    const plane = { values, width, height };
    if (!style || looksLikeTraining(plane, style, size)) return { lifted: null, note: "" };
    const strokes = lifted(plane, style, size);
    return strokes
      ? { lifted: colorsOf([strokes]), note: "" }
      : { lifted: null, note: "No strokes stand out from the paper: only resized." };
  }

  #onKey(event) {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
      this.#undo();
      event.preventDefault();
    }
    event.stopPropagation(); // the page's keys are for the selected image
  }
}
