// The run's data as arrays, and what can be computed from them. Every text from the data reaches
// the page as text, never as markup.

export const run = JSON.parse(document.getElementById("run").textContent);
export const names = run.classNames.map((name, number) => name.trim() || `class ${number}`);
export const { n: nImages, c: nChannels, h: height, w: width, m: nMaps, k: nClasses } = run.size;
export const nPixels = height * width;
export const nTest = run.cells.reduce((total, [, , count]) => total + count, 0);
export const nRight = run.cells.reduce((total, [a, b, count]) => total + (a === b ? count : 0), 0);

const types = { int16: Int16Array, uint8: Uint8Array, int32: Int32Array, float32: Float32Array };

function unpackedArray({ type, base64 }) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return new types[type](bytes.buffer);
}

export const arrays = Object.fromEntries(
  Object.entries(run.arrays).map(([name, packed]) => [name, unpackedArray(packed)]),
);
export const hasErrors = arrays.errors.length > 0;

export function probability(image, number) {
  return arrays.probabilities[image.place * nClasses + number];
}

/** The one of these numbers with the largest value, the first of several. */
export function largest(numbers, value) {
  return numbers.reduce((best, number) => (value(number) > value(best) ? number : best));
}

const allClasses = names.map((_, number) => number);

function imageAt(place) {
  const label = arrays.labels[place];
  const predicted = largest(allClasses, (number) => probability({ place }, number));
  return {
    place,
    name: run.names[place],
    title: run.titles[place],
    label,
    predicted,
    right: predicted === label,
    confidence: probability({ place }, predicted),
    surprise: -Math.log(Math.max(probability({ place }, label), Number.MIN_VALUE)),
    shown: Array.from(arrays.shown.subarray(place * nMaps, (place + 1) * nMaps)),
  };
}

export const images = Array.from({ length: nImages }, (_, place) => imageAt(place));

/** Where the map of a class, which the image has, lies among all maps. */
function slotOf(image, number) {
  return image.place * nMaps + image.shown.indexOf(number);
}

/** Sum of the attributions of one image to a class that has a map. */
export function sum(image, number) {
  return arrays.sums[slotOf(image, number)];
}

function unpackedMap(maps, steps, slot) {
  return Float32Array.from(maps.subarray(slot * nPixels, (slot + 1) * nPixels), (step) => step * steps[slot]);
}

/** Attribution (h * w) of one image to a class that has a map. */
export function mapOf(image, number) {
  return unpackedMap(arrays.maps, arrays.steps, slotOf(image, number));
}

/** Its standard error (h * w); null without error bars. */
export function errorsOf(image, number) {
  return hasErrors ? unpackedMap(arrays.errors, arrays.errorSteps, slotOf(image, number)) : null;
}

/** Colours 0 to 255 of the explained images and of the mean of the background: red, green, blue. */
export function pixelColor(pixels, place, pixel) {
  const start = place * nChannels * nPixels + pixel;
  const channels = nChannels === 1 ? [0, 0, 0] : [0, 1, 2];
  return channels.map((channel) => pixels[start + channel * nPixels]);
}
