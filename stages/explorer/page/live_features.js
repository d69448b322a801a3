// How far pictures are from the training images, as in stages/artifacts/features.py.

export class TrainingFeatures {
  #vectors; // of unit length
  #nNeighbours;

  /** @param vectors Numbers of `n` training images, one after the other. */
  constructor(vectors, n, nNeighbours) {
    const length = vectors.length / n;
    this.#vectors = Array.from({ length: n }, (_, i) => unit(vectors.subarray(i * length, (i + 1) * length)));
    this.#nNeighbours = Math.min(nNeighbours, n);
  }

  /** One minus the mean cosine similarity to the most similar training images. */
  distance(features) {
    const own = unit(features);
    const similarities = Float64Array.from(this.#vectors, (vector) => dot(vector, own)).sort();
    const nearest = similarities.subarray(-this.#nNeighbours);
    return 1 - nearest.reduce((a, b) => a + b, 0) / nearest.length;
  }
}

function unit(vector) {
  const length = Math.sqrt(dot(vector, vector)) || 1;
  return Float64Array.from(vector, (value) => value / length);
}

function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
