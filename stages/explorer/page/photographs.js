// Photographs, which the page holds compressed, and the segments of each: regions of similar colour.

import { blend, veil } from "./colors.js";

export class Photographs {
  #addresses;
  #size;
  #cover;
  #images = []; // decompressed; pixels are read when they are first needed
  #pixels = new Map();

  constructor({ images, background, segments, cover }, { width, height }) {
    this.#addresses = { images: [...images, background], segments };
    this.#size = { width, height };
    this.#cover = cover;
    this.hasSegments = segments.length > 0;
  }

  async load() {
    const { images, segments } = this.#addresses;
    this.#images = await Promise.all([...images, ...segments].map(opened));
  }

  /** An image element with a photograph. */
  element(index) {
    return this.#images[index].cloneNode();
  }

  color(index, pixel) {
    const pixels = this.#read(index);
    return [0, 1, 2].map((channel) => pixels[4 * pixel + channel]);
  }

  backgroundColor(pixel) {
    return this.color(this.#addresses.images.length - 1, pixel);
  }

  /** A colour under a map: the more opaque the map, the greyer; from half opacity black is lifted, up to that of the report. */
  under(color, opacity) {
    const darkest = this.#cover.darkest * veil(opacity);
    const [red, green, blue] = color;
    const grey = 255 * darkest + (1 - darkest) * (0.299 * red + 0.587 * green + 0.114 * blue);
    return blend(color, [grey, grey, grey], Math.min(1, 2 * opacity));
  }

  /** The number of the segment at each pixel of an image. */
  segments(index) {
    const pixels = this.#read(this.#addresses.images.length + index);
    return Int32Array.from({ length: pixels.length / 4 }, (_, pixel) => pixels[4 * pixel]);
  }

  #read(index) {
    if (!this.#pixels.has(index)) this.#pixels.set(index, pixelsOf(this.#images[index], this.#size));
    return this.#pixels.get(index);
  }
}

async function opened(address) {
  const image = new Image();
  image.src = address;
  await image.decode();
  return image;
}

function pixelsOf(image, { width, height }) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, width, height).data;
}
