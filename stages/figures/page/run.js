"use strict";
// The run's data as arrays, and what can be computed from them. Every text from the data reaches
// the page as text, never as markup.

const run = JSON.parse(document.getElementById("run").textContent);
const names = run.classNames.map((name, number) => name.trim() || `class ${number}`);
const { n: nImages, c: nChannels, h: height, w: width, m: nMaps, k: nClasses } = run.size;
const nPixels = height * width;

const types = { int16: Int16Array, uint8: Uint8Array, int32: Int32Array, float32: Float32Array };
const arrays = {};
for (const [name, { type, base64 }] of Object.entries(run.arrays)) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  arrays[name] = new types[type](bytes.buffer);
}

function byId(id) {
  return document.getElementById(id);
}

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function probability(image, number) {
  return arrays.probabilities[image * nClasses + number];
}

/** The one of these numbers with the largest value, the first of several. */
function largest(numbers, value) {
  return numbers.reduce((best, number) => (value(number) > value(best) ? number : best));
}

const allClasses = names.map((_, number) => number);

const images = Array.from({ length: nImages }, (_, place) => {
  const predicted = largest(allClasses, (number) => probability(place, number));
  const label = arrays.labels[place];
  return {
    place,
    index: arrays.indices[place],
    label,
    predicted,
    right: predicted === label,
    confidence: probability(place, predicted),
    surprise: -Math.log(Math.max(probability(place, label), Number.MIN_VALUE)),
    shown: Array.from(arrays.shown.subarray(place * nMaps, (place + 1) * nMaps)),
  };
});

/** Where the map of a class, which the image has, lies among all maps. */
function slotOf(image, number) {
  return image.place * nMaps + image.shown.indexOf(number);
}

/** Sum of the attributions of one image to a class that has a map. */
function sum(image, number) {
  return arrays.sums[slotOf(image, number)];
}

function unpacked(maps, steps, slot) {
  return Float32Array.from(maps.subarray(slot * nPixels, (slot + 1) * nPixels), (step) => step * steps[slot]);
}

/** Attribution (h * w) of one image to a class that has a map. */
function mapOf(image, number) {
  return unpacked(arrays.maps, arrays.steps, slotOf(image, number));
}

/** Its standard error (h * w); null without error bars. */
function errorsOf(image, number) {
  return hasErrors ? unpacked(arrays.errors, arrays.errorSteps, slotOf(image, number)) : null;
}

/** Colours 0 to 255 of a pixel of an image. */
function pixelColor(image, pixel) {
  const start = image.place * nChannels * nPixels + pixel;
  const channels = nChannels === 1 ? [0, 0, 0] : [0, 1, 2];
  return channels.map((channel) => arrays.images[start + channel * nPixels]);
}

/** The colour bar's colour of a value. */
function mapColor(value) {
  const half = (arrays.colors.length / 3 - 1) / 2;
  const step = Math.round(Math.max(-1, Math.min(1, value / run.limit)) * half) + half;
  return arrays.colors.subarray(3 * step, 3 * step + 3);
}

/** The same colour faded towards that of 0. */
function paleColor(value) {
  const zero = mapColor(0);
  return Array.from(mapColor(value), (strong, channel) => zero[channel] + (strong - zero[channel]) * run.fade.share);
}

/** Draw an image, and over it the colours of a map with this opacity, one canvas pixel for each pixel. */
function paint(canvas, image, colorOf, opacity) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(width, height);
  for (let pixel = 0; pixel < nPixels; pixel++) {
    const under = pixelColor(image, pixel);
    const over = colorOf ? colorOf(pixel) : under;
    for (let channel = 0; channel < 3; channel++) {
      pixels.data[4 * pixel + channel] = under[channel] + (over[channel] - under[channel]) * opacity;
    }
    pixels.data[4 * pixel + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
}

function minus(text) {
  return text.replaceAll("-", "−");
}

function signed(value, digits) {
  const text = Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? text : (value < 0 ? "−" : "+") + text;
}

const nTest = run.cells.reduce((total, [, , count]) => total + count, 0);
const nRight = run.cells.reduce((total, [a, b, count]) => total + (a === b ? count : 0), 0);
const hasErrors = arrays.errors.length > 0;
const pixelDigits = Math.min(12, Math.max(1, 3 - Math.floor(Math.log10(run.limit))));
const sumDigits = run.unit === "logits" ? 2 : 3;
