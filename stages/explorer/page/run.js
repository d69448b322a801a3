// The run as the page holds it: images, maps, predictions, and values derived from them. All text from
// the run is shown as text, never as markup.

import { ColorScale } from "./colors.js";
import { largest } from "./numbers.js";
import { Photographs } from "./photographs.js";

const THRESHOLD = 0.5; // labels with a higher probability are predicted
const ARRAY_TYPES = { int8: Int8Array, int16: Int16Array, uint8: Uint8Array, int32: Int32Array, float32: Float32Array };

export class Run {
  /** @param content The page's JSON, see `page_content` in document.py. */
  constructor({ names, titles, classNames, size, arrays, ...content }) {
    Object.assign(this, content);
    ({ n: this.nImages, c: this.nChannels, h: this.height, w: this.width, m: this.nMaps, k: this.nClasses } = size);
    this.nPixels = this.height * this.width;
    this.classNames = classNames.map((name, number) => name.trim() || `class ${number}`);
    this.classes = classNames.map((_, number) => number);
    this.arrays = Object.fromEntries(Object.entries(arrays).map(([name, packed]) => [name, unpackedArray(packed)]));
    this.scale = new ColorScale(this.arrays.colors, content.fade.share, content.photos?.cover);
    this.photographs = content.photos && new Photographs(content.photos, this);
    this.hasSegments = this.photographs?.hasSegments ?? false;
    if (this.hasSegments) this.limits.segments = content.photos.segmentLimit;
    this.blocks = content.block === 1 ? null : new Blocks(this, content.block);
    this.hasErrors = this.arrays.errors.length > 0;
    this.images = Array.from({ length: this.nImages }, (_, index) => this.#image(index, names[index], titles[index]));
    const count = (cells) => cells.reduce((total, [, , n]) => total + n, 0);
    if (this.multiple) return; // then the content has `nTest` and `accuracy`
    this.nTest = count(content.cells);
    this.accuracy = count(content.cells.filter(([label, predicted]) => label === predicted)) / this.nTest;
  }

  /** Decompress the photographs, if the page has any; before that, images have no colours. */
  async load() {
    await this.photographs?.load();
    return this;
  }

  /**
   * `labels` and `predictions` are the true and the predicted classes, one each unless an image may have several
   * labels; `label` is the true class, null with several labels. `predicted` is the most probable class.
   */
  #image(index, name, title) {
    const probabilities = this.classes.map((number) => this.probability({ index }, number));
    const predicted = largest(this.classes, (number) => probabilities[number]);
    return {
      index,
      name,
      title,
      predicted,
      ...(this.multiple ? this.#severalLabels(index, probabilities) : this.#oneLabel(index, probabilities, predicted)),
      mapClasses: Array.from(this.arrays.shown.subarray(index * this.nMaps, (index + 1) * this.nMaps)),
    };
  }

  #oneLabel(index, probabilities, predicted) {
    const label = this.arrays.labels[index];
    return {
      label,
      labels: [label],
      predictions: [predicted],
      right: predicted === label,
      confidence: probabilities[predicted],
      surprise: -Math.log(Math.max(probabilities[label], Number.MIN_VALUE)),
    };
  }

  #severalLabels(index, probabilities) {
    const isTrue = (number) => this.arrays.labels[index * this.nClasses + number] === 1;
    const ofTruth = probabilities.map((p, number) => (isTrue(number) ? p : 1 - p));
    const losses = ofTruth.map((p) => -Math.log(Math.max(p, Number.MIN_VALUE)));
    return {
      label: null,
      labels: this.classes.filter(isTrue),
      predictions: predictedLabels(probabilities),
      right: ofTruth.every((p, number) => (isTrue(number) ? p > THRESHOLD : p >= THRESHOLD)),
      confidence: Math.min(...probabilities.map((p) => Math.max(p, 1 - p))),
      surprise: losses.reduce((a, b) => a + b, 0) / losses.length,
    };
  }

  /** The names of classes as a list, or "none". */
  listed(numbers) {
    return numbers.map((number) => this.classNames[number]).join(", ") || "none";
  }

  probability({ index }, number) {
    return this.arrays.probabilities[index * this.nClasses + number];
  }

  /** Sum of an image's attributions to a class that has a map. */
  sum(image, number) {
    return this.arrays.sums[this.#mapIndex(image, number)];
  }

  /** Base value plus sum of the attributions. */
  output(image, number) {
    return this.arrays.baseValues[number] + this.sum(image, number);
  }

  /** Attributions (h * w) of an image to a class that has a map. */
  map(image, number) {
    return this.#unpackedMap(this.arrays.maps, this.arrays.steps, this.#mapIndex(image, number));
  }

  /** Standard errors (h * w) of a map; null without error bars. */
  errors(image, number) {
    if (!this.hasErrors) return null;
    return this.#unpackedMap(this.arrays.errors, this.arrays.errorSteps, this.#mapIndex(image, number));
  }

  /** Attributions summed over each segment of an image (r). */
  segmentSums(image, number) {
    return this.#bySegment(this.arrays.segmentSums, this.#mapIndex(image, number));
  }

  /** Upper bounds of their standard errors; null without error bars. */
  segmentErrors(image, number) {
    return this.hasErrors ? this.#bySegment(this.arrays.segmentErrors, this.#mapIndex(image, number)) : null;
  }

  imageColor({ index }, pixel) {
    return this.photographs?.color(index, pixel) ?? this.#color(this.arrays.images, index, pixel);
  }

  /** A pixel's colour in the mean of the background images. */
  backgroundColor(pixel) {
    return this.photographs?.backgroundColor(pixel) ?? this.#color(this.arrays.backgroundMean, 0, pixel);
  }

  /** A pixel's colour under its map where that is 0: as it is, or the grey of a photograph. */
  underMap(image, pixel, opacity = 1) {
    return this.underMapOf(this.imageColor(image, pixel), opacity);
  }

  /** The same for a colour. */
  underMapOf(color, opacity = 1) {
    return this.photographs?.under(color, opacity) ?? color;
  }

  #mapIndex({ index, mapClasses }, number) {
    return index * this.nMaps + mapClasses.indexOf(number);
  }

  #unpackedMap(maps, steps, index) {
    const length = this.blocks?.count ?? this.nPixels;
    const packed = maps.subarray(index * length, (index + 1) * length);
    const values = Float32Array.from(packed, (value) => value * steps[index]);
    return this.blocks?.shared(values) ?? values;
  }

  #bySegment(sums, index) {
    const { nSegments } = this.photos;
    return sums.subarray(index * nSegments, (index + 1) * nSegments);
  }

  #color(pixels, index, pixel) {
    const start = index * this.nChannels * this.nPixels + pixel;
    const channels = this.nChannels === 1 ? [0, 0, 0] : [0, 1, 2];
    return channels.map((channel) => pixels[start + channel * this.nPixels]);
  }
}

/** The predicted labels of an image that may have several. */
export function predictedLabels(probabilities) {
  return Array.from(probabilities, (_, number) => number).filter((number) => probabilities[number] > THRESHOLD);
}

/** Square blocks of pixels, numbered row by row; smaller at the right and bottom edge. */
class Blocks {
  constructor({ width, height, nPixels }, side) {
    const columns = Math.ceil(width / side);
    this.count = columns * Math.ceil(height / side);
    this.#numbers = Int32Array.from(
      { length: nPixels },
      (_, pixel) => Math.floor(Math.floor(pixel / width) / side) * columns + Math.floor((pixel % width) / side),
    );
    this.#sizes = new Int32Array(this.count);
    for (const number of this.#numbers) this.#sizes[number] += 1;
  }

  #numbers;
  #sizes;

  /** Each block's value shared equally among its pixels, so that sums over pixels are kept. */
  shared(values) {
    return Float32Array.from(this.#numbers, (number) => values[number] / this.#sizes[number]);
  }
}

function unpackedArray({ type, base64 }) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return new ARRAY_TYPES[type](bytes.buffer);
}
