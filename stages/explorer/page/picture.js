// Image files as the pipeline reads them: transparent pixels on white, grey by Pillow's weights, and
// resized by Pillow's bilinear filter, which averages when it shrinks.

const MOST_PIXELS = 40e6;
const SHOWN = 300; // longest side of the photograph as the page shows it

/**
 * A file's planes: grey, or red, green and blue.
 * @returns {width, height, planes, photo}: values 0 to 255 of each plane, row by row; a small canvas to show.
 * @throws {Error} The file is not an image or too large; the message is written to follow the file's name.
 */
export async function readPicture(file, nChannels) {
  const bitmap = await opened(file);
  const canvas = document.createElement("canvas");
  const { width, height } = bitmap;
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  const planes = Array.from({ length: nChannels }, (_, channel) => {
    const plane = new Uint8Array(width * height);
    for (let i = 0; i < plane.length; i++) plane[i] = nChannels === 1 ? grey(data, 4 * i) : data[4 * i + channel];
    return plane;
  });
  return { width, height, planes, photo: reducedCanvas(canvas) };
}

/** Colours (r, g, b of each pixel in turn) of one or three planes of the same size. */
export function colorsOf(planes) {
  return Uint8Array.from({ length: 3 * planes[0].length }, (_, i) => planes[i % planes.length][Math.floor(i / 3)]);
}

/** A plane of width × height, resized to w × h. */
export function resized(plane, width, height, w, h) {
  const narrow = resizeRows(plane, width, height, w);
  return transposed(resizeRows(transposed(narrow, w, height), height, w, h), h, w);
}

function reducedCanvas(canvas) {
  const small = document.createElement("canvas");
  const scale = Math.min(1, SHOWN / Math.max(canvas.width, canvas.height));
  [small.width, small.height] = [canvas.width, canvas.height].map((side) => Math.max(1, Math.round(scale * side)));
  small.getContext("2d").drawImage(canvas, 0, 0, small.width, small.height);
  return small;
}

async function opened(file) {
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error("not an image that this browser can read; choose a PNG or JPEG file");
  }); // turned upright by its EXIF orientation
  const size = `${bitmap.width} × ${bitmap.height} pixels`;
  if (bitmap.width * bitmap.height <= MOST_PIXELS) return bitmap;
  bitmap.close();
  throw new Error(`${size}, and this page reads up to ${MOST_PIXELS / 1e6} million; choose a smaller image`);
}

function grey(data, at) {
  return (19595 * data[at] + 38470 * data[at + 1] + 7471 * data[at + 2] + 0x8000) >> 16;
}

function transposed(plane, width, height) {
  return Uint8Array.from({ length: plane.length }, (_, i) => plane[(i % height) * width + Math.floor(i / height)]);
}

/** Resize each row to another width with triangular weights, as Pillow's BILINEAR. */
function resizeRows(plane, width, height, to) {
  const scale = width / to;
  const support = Math.max(scale, 1);
  const narrow = new Uint8Array(to * height);
  for (let column = 0; column < to; column++) {
    const centre = (column + 0.5) * scale;
    const from = Math.max(0, Math.trunc(centre - support + 0.5));
    const end = Math.min(width, Math.trunc(centre + support + 0.5));
    const weights = Array.from({ length: end - from }, (_, i) =>
      Math.max(0, 1 - Math.abs((from + i - centre + 0.5) / support)),
    );
    const sum = weights.reduce((a, b) => a + b, 0);
    for (let row = 0; row < height; row++) {
      let total = 0;
      for (let i = from; i < end; i++) total += weights[i - from] * plane[row * width + i];
      narrow[row * to + column] = Math.round(total / sum);
    }
  }
  return narrow;
}
