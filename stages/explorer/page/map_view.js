// The map of the selection, its controls, its colour bar, and the pixel pointed at.

import { colorBarLabels, paintColorBar, writeLabels } from "./bars.js";
import { paint } from "./colors.js";
import { byId, element, fitToPixels } from "./dom.js";
import { arrowStep, hasModifier, moved } from "./keys.js";
import { digits, grainOf, limit, mapUnit, plusMinus, SEGMENTS, selectedMap } from "./maps.js";
import { clamp, signed } from "./numbers.js";

const BRIGHT = 0.7; // of the colour scale: the colours of the bars in tables

export class MapView {
  #run;
  #selection;
  #canvas = byId("map");
  #shown; // the selected map

  constructor(run, selection) {
    this.#run = run;
    this.#selection = selection;
  }

  /** Fill the controls, and show each selection from now on. */
  start() {
    this.#fillControls();
    this.#listenToControls();
    this.#listenToCanvas();
    this.#selection.onSelect((changes) => {
      if (!("pixel" in changes)) {
        this.#fillChoices();
        this.#labelColors();
        this.#paint();
      }
      this.#showPixel();
    });
  }

  #fillControls() {
    const { limits, fade, hasErrors, scale } = this.#run;
    for (const grain of Object.keys(limits)) byId("grain").append(element("option", { value: grain }, grainText(grain)));
    byId("fade").nextElementSibling.textContent = `Fade values within ${fade.errors} standard errors of 0`;
    byId("fade").parentElement.hidden = !hasErrors;
    byId("fade").checked = fade.on;
    for (const [name, share] of [["--warm", BRIGHT], ["--cool", -BRIGHT]]) {
      document.documentElement.style.setProperty(name, `rgb(${scale.color(share, 1).join(" ")})`);
    }
    paintColorBar(byId("bar"), scale);
  }

  #listenToControls() {
    for (const id of ["for", "against"]) {
      byId(id).addEventListener("input", ({ target }) => this.#selection.select({ [id]: target.value }));
    }
    byId("grain").addEventListener("input", ({ target }) => this.#selection.select({ grain: grainOf(target.value) }));
    byId("own-scale").addEventListener("input", ({ target }) => this.#selection.select({ ownScale: target.checked }));
    for (const id of ["opacity", "fade"]) byId(id).addEventListener("input", () => this.#paint());
  }

  #listenToCanvas() {
    const leave = () => this.#selection.select({ pixel: null });
    for (const type of ["pointermove", "pointerdown"]) {
      this.#canvas.addEventListener(type, (event) => this.#pointAt(event));
    }
    this.#canvas.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && leave());
    this.#canvas.addEventListener("blur", leave);
    this.#canvas.addEventListener("keydown", (event) => {
      const step = arrowStep(event);
      if (hasModifier(event) || !(step || event.key === "Escape")) return;
      if (step) this.#movePixel(step);
      else leave();
      event.preventDefault();
    });
  }

  /** Offer the maps and contrasts of the selected image. */
  #fillChoices() {
    const { image, shownClass, subtractedClass } = this.#selection;
    const others = image.mapClasses.filter((number) => number !== shownClass);
    const classes = (numbers) => numbers.map((number) => [String(number), this.#run.classNames[number]]);
    const first = image.mapClasses.includes(image.predicted) ? [["predicted", predictedName(this.#run)]] : [];
    const second = [["nothing", "nothing"]];
    if (others.length) second.push(["other", "the most probable other class"]);
    if (others.includes(image.label)) second.push(["true", "the true class"]);
    const { for: wanted, against, grain, ownScale } = this.#selection;
    const isShown = wanted === "predicted" ? first.length > 0 : shownClass === Number(wanted);
    const chosen = isShown ? wanted : first[0]?.[0] ?? String(shownClass);
    fillSelect("for", [...first, ...classes(image.mapClasses)], chosen);
    fillSelect("against", [...second, ...classes(others)], subtractedClass === null ? "nothing" : against);
    byId("grain").value = String(grain);
    byId("own-scale").checked = ownScale;
  }

  /** Label the colour bar. */
  #labelColors() {
    const { shownClass, subtractedClass } = this.#selection;
    const end = Number(limit(this.#selection).toPrecision(3));
    const unit = mapUnit(this.#selection);
    const favours = (number) => `for ${this.#run.classNames[number]}`;
    const other = this.#run.oneLogit ? 1 - shownClass : subtractedClass;
    const ends = other === null ? [] : [favours(other), favours(shownClass)];
    const labels = colorBarLabels(this.#run, end, ...ends);
    writeLabels(byId("ends"), labels);
    byId("bar").setAttribute("aria-label", `Colours from ${labels[0]} to ${labels[2]}, ${unit}`);
    const which = this.#selection.ownScale ? "the maps of this image" : "all explained images and classes";
    byId("grain-note").textContent =
      `The colour scale ends at ±${end} ${unit}, the ${this.#run.percentile}th percentile of |value| over ${which}; ` +
      "larger values keep the end's colour.";
  }

  #paint() {
    const { image } = this.#selection;
    const { scale, fade } = this.#run;
    this.#shown = selectedMap(this.#selection);
    const { values, errors, name } = this.#shown;
    const end = limit(this.#selection);
    const fades = errors !== null && byId("fade").checked;
    const opacity = byId("opacity").value / 100;
    paint(this.#canvas, this.#run, (pixel) => {
      const isFaded = fades && Math.abs(values[pixel]) <= fade.errors * errors[pixel];
      return scale.over(this.#run.underMap(image, pixel, opacity), values[pixel], end, { isFaded, opacity });
    });
    const label = `Attribution map of ${image.title}: ${name}. Arrow keys move over pixels.`;
    this.#canvas.setAttribute("aria-label", label);
  }

  /** Mark the pixel pointed at, and write its value. */
  #showPixel() {
    const { pixel, image, grain } = this.#selection;
    const { values, errors, name, errorsAreBounds } = this.#shown;
    byId("cursor").hidden = pixel === null || grain === SEGMENTS;
    if (pixel === null) {
      const hint = "Point at a pixel, or tap it, to read its values.";
      byId("pixel").textContent = `Map of ${name}.${missingContrast(this.#selection)} ${hint}`;
      return;
    }
    const nDigits = digits(this.#selection);
    const error = errors ? ` ${errorsAreBounds ? "at most " : ""}${plusMinus(errors[pixel], nDigits)}` : "";
    const place = grain === SEGMENTS ? this.#segmentText(image, pixel) : this.#blockText(image, pixel, grain);
    byId("pixel").textContent = `${place}: ${name} ${signed(values[pixel], nDigits)}${error}`;
  }

  #segmentText(image, pixel) {
    const segments = this.#run.photographs.segments(image.index);
    const nPixels = segments.filter((number) => number === segments[pixel]).length;
    return `Segment ${segments[pixel] + 1}, ${nPixels.toLocaleString("en")} pixels`;
  }

  /** The rows and columns of the pixel or block pointed at, and the colour of a pixel; moves the cursor there. */
  #blockText(image, pixel, grain) {
    const { width, height } = this.#run;
    const [x, y] = [pixel % width, Math.floor(pixel / width)].map((at) => at - (at % grain));
    const [columns, rows] = [Math.min(grain, width - x), Math.min(grain, height - y)];
    fitToPixels(byId("cursor"), { x, y, columns, rows }, this.#run);
    const color = grain === 1 ? colorText(this.#run.imageColor(image, pixel), this.#run.nChannels) : "";
    return `${rangeText("Row", y, rows)}, ${rangeText("column", x, columns)}${color}`;
  }

  #pointAt(event) {
    const { width, height } = this.#run;
    const box = this.#canvas.getBoundingClientRect();
    const inside = (share, length) => clamp(Math.floor(share * length), 0, length - 1);
    const x = inside((event.clientX - box.left) / box.width, width);
    const y = inside((event.clientY - box.top) / box.height, height);
    this.#selection.select({ pixel: y * width + x });
  }

  /** Pixels that an arrow key moves: one block, or the run's block between segments. */
  get #stepLength() {
    const { grain } = this.#selection;
    return grain === SEGMENTS ? this.#run.grain : grain;
  }

  /** Point at the next pixel or block; the first step points at the middle. */
  #movePixel(step) {
    const { pixel } = this.#selection;
    const { width, height } = this.#run;
    const middle = [Math.floor(width / 2), Math.floor(height / 2)];
    const from = [pixel % width, Math.floor(pixel / width)];
    const [x, y] = pixel === null ? middle : moved(from, step.map((by) => this.#stepLength * by), this.#run);
    this.#selection.select({ pixel: y * width + x });
  }
}

/** What the choice of the most probable class is called. */
export function predictedName(run) {
  return run.multiple ? "the most probable label" : "the predicted class";
}

function grainText(grain) {
  if (grain === SEGMENTS) return "segments";
  return grain === "1" ? "each pixel" : `sums of ${grain} × ${grain} pixels`;
}

function fillSelect(id, choices, chosen) {
  byId(id).replaceChildren(...choices.map(([value, text]) => element("option", { value }, text)));
  byId(id).value = chosen;
}

/** Why no contrast is shown although one is chosen; "" otherwise. */
function missingContrast({ image, against, subtractedClass }) {
  if (against === "nothing" || subtractedClass !== null) return "";
  if (image.mapClasses.length === 1) return " This image has no second map to subtract.";
  return " A class cannot be contrasted with itself or with a class without a map: choose another.";
}

/** "Row 3", or "Rows 3 to 4". */
function rangeText(word, first, count) {
  return count === 1 ? `${word} ${first + 1}` : `${word}s ${first + 1} to ${first + count}`;
}

function colorText(color, nChannels) {
  return nChannels === 1 ? ` (brightness ${color[0]})` : ` (red, green, blue ${color.join(", ")})`;
}
