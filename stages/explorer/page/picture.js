// Image files as the pipeline reads them: transparent pixels on white, grey by Pillow's weights, and
// resized by Pillow's bilinear filter, which averages when it shrinks.

const MOST_PIXELS = 40e6;

/**
 * A file's colours (r, g, b of each pixel in turn, 0 to 255), resized.
 * @throws {Error} The file is not an image or too large; the message is written to follow the file's name.
 */
export async function readPicture(file, nChannels, width, height) {
  const bitmap = await opened(file);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const planes = Array.from({ length: nChannels }, (_, channel) => {
    const plane = new Uint8Array(canvas.width * canvas.height);
    for (let i = 0; i < plane.length; i++) plane[i] = nChannels === 1 ? grey(data, 4 * i) : data[4 * i + channel];
    const narrow = resizeRows(plane, canvas.width, canvas.height, width);
    return transposed(resizeRows(transposed(narrow, width, canvas.height), canvas.height, width, height), height, width);
  });
  return Uint8Array.from({ length: 3 * width * height }, (_, i) => planes[nChannels === 1 ? 0 : i % 3][Math.floor(i / 3)]);
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
  const resized = new Uint8Array(to * height);
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
      resized[row * to + column] = Math.round(total / sum);
    }
  }
  return resized;
}
