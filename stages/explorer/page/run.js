// The run as the page holds it: images, maps, predictions, and values derived from them. All text from
// the run is shown as text, never as markup.

import { ColorScale } from "./colors.js";
import { largest } from "./numbers.js";

const ARRAY_TYPES = { int16: Int16Array, uint8: Uint8Array, int32: Int32Array, float32: Float32Array };

export class Run {
  /** @param content The page's JSON, see `page_content` in document.py. */
  constructor({ names, titles, classNames, size, arrays, ...content }) {
    Object.assign(this, content);
    ({ n: this.nImages, c: this.nChannels, h: this.height, w: this.width, m: this.nMaps, k: this.nClasses } = size);
    this.nPixels = this.height * this.width;
    this.classNames = classNames.map((name, number) => name.trim() || `class ${number}`);
    this.classes = classNames.map((_, number) => number);
    this.arrays = Object.fromEntries(Object.entries(arrays).map(([name, packed]) => [name, unpackedArray(packed)]));
    this.scale = new ColorScale(this.arrays.colors, content.fade.share);
    this.hasErrors = this.arrays.errors.length > 0;
    this.images = Array.from({ length: this.nImages }, (_, index) => this.#image(index, names[index], titles[index]));
    const count = (cells) => cells.reduce((total, [, , n]) => total + n, 0);
    this.nTest = count(content.cells);
    this.nRight = count(content.cells.filter(([label, predicted]) => label === predicted));
  }

  #image(index, name, title) {
    const label = this.arrays.labels[index];
    const predicted = largest(this.classes, (number) => this.probability({ index }, number));
    return {
      index,
      name,
      title,
      label,
      predicted,
      right: predicted === label,
      confidence: this.probability({ index }, predicted),
      surprise: -Math.log(Math.max(this.probability({ index }, label), Number.MIN_VALUE)),
      mapClasses: Array.from(this.arrays.shown.subarray(index * this.nMaps, (index + 1) * this.nMaps)),
    };
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

  imageColor({ index }, pixel) {
    return this.#color(this.arrays.images, index, pixel);
  }

  /** A pixel's colour in the mean of the background images. */
  backgroundColor(pixel) {
    return this.#color(this.arrays.backgroundMean, 0, pixel);
  }

  #mapIndex({ index, mapClasses }, number) {
    return index * this.nMaps + mapClasses.indexOf(number);
  }

  #unpackedMap(maps, steps, index) {
    const packed = maps.subarray(index * this.nPixels, (index + 1) * this.nPixels);
    return Float32Array.from(packed, (value) => value * steps[index]);
  }

  #color(pixels, index, pixel) {
    const start = index * this.nChannels * this.nPixels + pixel;
    const channels = this.nChannels === 1 ? [0, 0, 0] : [0, 1, 2];
    return channels.map((channel) => pixels[start + channel * this.nPixels]);
  }
}

function unpackedArray({ type, base64 }) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return new ARRAY_TYPES[type](bytes.buffer);
}
