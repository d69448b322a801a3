// Elements of the page: found, made, and laid over the pixels of a canvas.

export function byId(id) {
  return document.getElementById(id);
}

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/**
 * Fit a mark to a box of pixels of the canvas under it.
 * @param mark An absolutely positioned sibling of the canvas.
 * @param box In pixels; one pixel wide and tall by default.
 * @param size Width and height of the whole canvas in pixels.
 */
export function fitToPixels(mark, { x, y, columns = 1, rows = 1 }, { width, height }) {
  mark.style.left = `${(100 * x) / width}%`;
  mark.style.top = `${(100 * y) / height}%`;
  mark.style.width = `${(100 * columns) / width}%`;
  mark.style.height = `${(100 * rows) / height}%`;
}
