// What explorers with axes share: round numbers, spans, lines with gaps, the nearest place.

/** Round numbers from `low` to `high`, about `most` of them. */
export function ticks(low, high, most) {
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((nice) => nice * power >= rough * (1 - 1e-9));
  const first = Math.ceil(low / step - 1e-9), last = Math.floor(high / step + 1e-9);
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toFixed(digits)));
}

/** The least and the largest of some numbers, with room around them; what is no number counts not. */
export function span(numbers, room = 0) {
  const known = numbers.filter(Number.isFinite);
  if (!known.length) return [0, 1];
  let [low, high] = [Math.min(...known), Math.max(...known)];
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  return [low - room * (high - low), high + room * (high - low)];
}

/** The path of a line through points; one that is no number leaves a gap. */
export function path(xs, ys, x, y) {
  let pen = "M";
  return xs.map((at, i) => {
    if (!Number.isFinite(ys[i])) {
      pen = "M";
      return "";
    }
    const part = `${pen}${x(at).toFixed(1)},${y(ys[i]).toFixed(1)}`;
    pen = "L";
    return part;
  }).join("");
}

/** The place in `xs` that is nearest to x. */
export function nearest(xs, x) {
  return xs.reduce((best, value, i) => (Math.abs(value - x) < Math.abs(xs[best] - x) ? i : best), 0);
}
