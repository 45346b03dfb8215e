// What charts of every size share: paths that break where nothing is known, round scales, moments for an axis.

/** A path that breaks where a value is not known; a value between unknown ones is a dot. */
export function pathOf(values, x, y) {
  return runs(values)
    .map((run) => `M${run.map((slot) => `${round(x(slot))} ${round(y(values[slot]))}`).join("L")}${run[1] ? "" : "h.1"}`)
    .join("");
}

/** The area between two curves; `low` may be a number, such as the floor. */
export function areaOf(values, x, y, low) {
  const below = typeof low === "number" ? () => low : (slot) => y(low[slot]);
  return runs(values)
    .map((run) => {
      const up = run.map((slot) => `${round(x(slot))} ${round(y(values[slot]))}`);
      const back = run.map((slot) => `${round(x(slot))} ${round(below(slot))}`).reverse();
      return `M${[...up, ...back].join("L")}Z`;
    })
    .join("");
}

function runs(values) {
  const found = [];
  values.forEach((value, slot) => {
    if (value === null) return;
    const last = found.at(-1);
    if (last && last.at(-1) === slot - 1) last.push(slot);
    else found.push([slot]);
  });
  return found;
}

/** The top of a scale from 0 that holds these values: 1, 2 or 5 of a power of ten; of shares at most 1; of load levels, whose limit is 1, at least 1.5. */
export function topOf(values, unit) {
  const highest = values.reduce((top, value) => Math.max(top, value ?? 0), 0);
  if (unit === "level" && highest <= 1.5) return 1.5;
  if (unit === "ratio" && highest > 0.2) return 1;
  if (highest <= 0) return unit === "ratio" ? 0.01 : 1;
  const power = 10 ** Math.floor(Math.log10(highest));
  const top = [1, 2, 5, 10].find((step) => step * power >= highest * 0.999) * power;
  return unit === "ratio" ? Math.max(0.01, top) : top;
}

/** Round moments of the local clock between two, at most so many. */
export function roundTimes(start, end, most) {
  const steps = [60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
  const step = steps.find((size) => (end - start) / size <= most) ?? 2 * 86400;
  const shift = new Date(start * 1000).getTimezoneOffset() * 60;
  const times = [];
  for (let time = Math.ceil((start - shift) / step) * step + shift; time < end; time += step) times.push(time);
  return times.filter((time) => time - start > step * 0.2 && end - time > step * 0.2);
}

const round = (value) => Math.round(value * 10) / 10;
