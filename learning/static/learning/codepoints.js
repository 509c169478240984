// Offsets of the protocol count code points; a JavaScript string counts UTF-16 units.

export const codePoints = (text) => {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
};

// Where in `text`, in units, its first `count` code points end.
export const unitsOf = (text, count) => {
  let units = 0;
  for (const point of text) {
    if (count-- <= 0) break;
    units += point.length;
  }
  return units;
};
