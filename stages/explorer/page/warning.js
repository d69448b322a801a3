// Warnings about pictures that do not look like the training images, as by tools/explain.py.

const FLAT = 8; // smallest range of brightness, of 255, that shows anything

/**
 * A sentence; "" for a picture that looks like the training images.
 * @param pixels The network's input (c, h, w).
 * @param distances Distances of the picture and of its negative from the training images; null if they are unknown.
 * @param features The page's `live.features`, null if it has none.
 */
export function warning(pixels, nChannels, distances, features) {
  if (brightnessRange(pixels, nChannels) < FLAT) {
    return "This picture is empty: all its pixels have nearly the same brightness.";
  }
  if (!distances) return "";
  const [distance, negative] = distances;
  const percent = percentNearer(distance, features.quantiles);
  if (percent < features.far) return "";
  if (percentNearer(negative, features.quantiles) < features.far) {
    return "This picture looks like a negative of the training images; swap dark and light.";
  }
  const which = percent < 100 ? `${percent} %` : "all";
  const limit = features.quantiles[features.far];
  return (
    `This picture looks unlike the training images: farther from them than ${which} of the test images ` +
    `(cosine distance ${distance.toFixed(2)} in the last hidden layer; ` +
    `${features.far} % of the test images: at most ${limit.toFixed(2)}).`
  );
}

function percentNearer(distance, quantiles) {
  return Math.max(0, quantiles.filter((quantile) => quantile < distance).length - 1);
}

function brightnessRange(pixels, nChannels) {
  const weights = nChannels === 1 ? [1] : [0.299, 0.587, 0.114];
  const n = pixels.length / nChannels;
  let [lowest, highest] = [Infinity, -Infinity];
  for (let i = 0; i < n; i++) {
    const brightness = weights.reduce((sum, weight, channel) => sum + weight * pixels[channel * n + i], 0);
    lowest = Math.min(lowest, brightness);
    highest = Math.max(highest, brightness);
  }
  return highest - lowest;
}
