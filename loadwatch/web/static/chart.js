// Line charts and sparklines in plain SVG, each with the same figures as text for those who do not see them.

import { h, s, say } from "./dom.js";
import { percent, timeOfDay } from "./format.js";

const HEIGHT = 230;
const MARGIN = { left: 44, right: 8, top: 10, bottom: 24 };
const TABLE_ROWS = 12;

/** A chart of shares over time with bands behind; a slider walks through it by pointer and by keyboard. */
export class ShareChart {
  constructor(figure, title) {
    this.svg = s("svg", { role: "img", height: HEIGHT, "aria-label": title });
    this.legend = h("ul", { class: "legend" });
    this.slider = h("input", { type: "range", min: 0, "aria-label": `${title}: moment` });
    this.readout = h("p", { class: "readout" });
    this.table = h("table");
    this.title = title;
    const details = h(
      "details",
      {},
      h("summary", {}, "The same as a table"),
      h("div", { class: "scroll" }, this.table),
    );
    figure.replaceChildren(this.legend, this.svg, this.slider, this.readout, details);
    this.slider.addEventListener("input", () => this.point());
    this.svg.addEventListener("pointermove", (event) => this.follow(event));
    new ResizeObserver(() => this.draw()).observe(figure);
  }

  /** curves: [{name, mark, values}], bands: [{kind, start, end, name}] in epoch seconds. */
  show({ start, resolution, curves, bands }) {
    const grown = this.slots === undefined || this.slider.value === this.slider.max;
    Object.assign(this, { start, resolution, curves, bands });
    this.slots = curves[0]?.values.length ?? 0;
    this.slider.max = Math.max(0, this.slots - 1);
    if (grown) this.slider.value = this.slider.max;
    this.draw();
  }

  get end() {
    return this.start + this.slots * this.resolution;
  }

  draw() {
    if (!this.slots) return;
    this.width = this.svg.getBoundingClientRect().width || 600;
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${HEIGHT}`);
    this.slider.style.width = `${this.width - MARGIN.left - MARGIN.right + 14}px`;
    this.slider.style.marginLeft = `${MARGIN.left - 7}px`;
    this.cursor = s("line", { class: "cursor", y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom });
    this.svg.replaceChildren(hatching(), ...this.axes(), ...this.bandMarks(), ...this.lines(), this.cursor);
    this.svg.setAttribute("aria-label", this.summary());
    this.legend.replaceChildren(...this.legendMarks());
    this.fillTable();
    this.point();
  }

  x(timestamp) {
    const share = (timestamp - this.start) / (this.end - this.start);
    return MARGIN.left + Math.min(1, Math.max(0, share)) * (this.width - MARGIN.left - MARGIN.right);
  }

  y(share) {
    return MARGIN.top + (1 - share) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  }

  axes() {
    const marks = [];
    for (const share of [0, 0.25, 0.5, 0.75, 1]) {
      const y = this.y(share);
      marks.push(
        s("line", { class: "grid-line", x1: MARGIN.left, x2: this.width - MARGIN.right, y1: y, y2: y }),
      );
      if (share % 0.5 === 0) {
        marks.push(
          s(
            "text",
            { class: "axis-text", x: MARGIN.left - 8, y: y + 4, "text-anchor": "end" },
            `${share * 100} %`,
          ),
        );
      }
    }
    for (const timestamp of roundTimes(this.start, this.end, this.width < 520 ? 4 : 8)) {
      const attributes = { class: "axis-text", x: this.x(timestamp), y: HEIGHT - 4, "text-anchor": "middle" };
      marks.push(s("text", attributes, timeOfDay(timestamp)));
    }
    return marks;
  }

  bandMarks() {
    return this.bands
      .filter((band) => band.end > this.start && band.start < this.end)
      .flatMap((band) => {
        const x = this.x(band.start);
        const box = { x, width: Math.max(2, this.x(band.end) - x), y: MARGIN.top };
        const height = HEIGHT - MARGIN.top - MARGIN.bottom;
        const tip = () => s("title", {}, band.name);
        if (band.kind === "maintenance") return [s("rect", { ...box, height, fill: "url(#hatch)" }, tip())];
        return [
          s("rect", { ...box, height, class: `band-${band.kind}` }, tip()),
          s("rect", { ...box, y: MARGIN.top - 4, height: 4, class: `edge-${band.kind}` }),
        ];
      });
  }

  lines() {
    return this.curves.map(({ mark, values }) =>
      s("path", {
        class: `curve curve-${mark}`,
        d: pathOf(
          values,
          (slot) => this.x(this.start + (slot + 0.5) * this.resolution),
          (share) => this.y(share),
        ),
      }),
    );
  }

  legendMarks() {
    const line = (mark) =>
      s(
        "svg",
        { viewBox: "0 0 26 12", "aria-hidden": "true" },
        s("path", { class: `curve curve-${mark}`, d: "M1 6H25" }),
      );
    const box = (kind) =>
      s(
        "svg",
        { viewBox: "0 0 26 12", "aria-hidden": "true" },
        s("rect", {
          width: 26,
          height: 12,
          ...(kind === "maintenance" ? { fill: "url(#hatch)" } : { class: `band-${kind}` }),
        }),
        s("rect", { width: 26, height: 2.5, class: `edge-${kind}`, fill: "none" }),
      );
    const kinds = { high_load: "High-load alert", anomaly: "Anomaly alert", maintenance: "Maintenance" };
    const shown = new Set(
      this.bands.filter((band) => band.end > this.start && band.start < this.end).map((band) => band.kind),
    );
    return [
      ...this.curves.map(({ mark, name }) => h("li", {}, line(mark), name)),
      ...Object.entries(kinds)
        .filter(([kind]) => shown.has(kind))
        .map(([kind, name]) => h("li", {}, box(kind), name)),
    ];
  }

  follow(event) {
    const left = this.svg.getBoundingClientRect().left + MARGIN.left;
    const share = (event.clientX - left) / (this.width - MARGIN.left - MARGIN.right);
    this.slider.value = Math.round(share * (this.slots - 1));
    this.point();
  }

  point() {
    const slot = Number(this.slider.value);
    const timestamp = this.start + (slot + 0.5) * this.resolution;
    const x = this.x(timestamp);
    this.cursor?.setAttribute("x1", x);
    this.cursor?.setAttribute("x2", x);
    const figures = this.curves.map(({ name, values }) => `${name.toLowerCase()} ${percent(values[slot])}`);
    const text = `${timeOfDay(timestamp)}: ${figures.join(", ")}`;
    say(this.readout, text);
    this.slider.setAttribute("aria-valuetext", text);
  }

  summary() {
    const parts = this.curves.map(({ name, values }) => {
      const known = values.filter((value) => value !== null);
      return known.length
        ? `${name} between ${percent(Math.min(...known))} and ${percent(Math.max(...known))}`
        : `${name} not known`;
    });
    return `${this.title} from ${timeOfDay(this.start)} to ${timeOfDay(this.end)}: ${parts.join("; ")}.`;
  }

  fillTable() {
    const step = Math.ceil(this.slots / TABLE_ROWS);
    const rows = [];
    for (let slot = this.slots - 1; slot >= 0; slot -= step) {
      const time = h("th", { scope: "row" }, timeOfDay(this.start + slot * this.resolution));
      rows.push(h("tr", {}, time, ...this.curves.map(({ values }) => h("td", {}, percent(values[slot])))));
    }
    const head = h(
      "tr",
      {},
      ...["Time", ...this.curves.map(({ name }) => name)].map((name) => h("th", { scope: "col" }, name)),
    );
    this.table.replaceChildren(
      h("caption", { class: "unseen" }, this.title),
      h("thead", {}, head),
      h("tbody", {}, ...rows),
    );
  }
}

/** Fill an SVG with the curve of one signal; shares are drawn from 0 to 1, the rest from 0 to their highest. */
export function drawSparkline(svg, values, unit) {
  const known = values.filter((value) => value !== null);
  const top = unit === "ratio" ? 1 : Math.max(...known, 0) || 1;
  const x = (slot) => (slot / Math.max(1, values.length - 1)) * 100;
  const y = (value) => 31 - (value / top) * 30;
  const line = pathOf(values, x, y);
  svg.setAttribute("viewBox", "0 0 100 32");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.replaceChildren(
    s("path", { class: "spark-area", d: areaOf(values, x, y, 32) }),
    s("path", { class: "spark", d: line }),
  );
}

/** A path that breaks where a value is not known. */
function pathOf(values, x, y) {
  return runs(values)
    .map((run) => `M${run.map((slot) => `${round(x(slot))} ${round(y(values[slot]))}`).join("L")}`)
    .join("");
}

function areaOf(values, x, y, floor) {
  return runs(values)
    .map((run) => {
      const points = run.map((slot) => `${round(x(slot))} ${round(y(values[slot]))}`).join("L");
      return `M${round(x(run[0]))} ${floor}L${points}L${round(x(run.at(-1)))} ${floor}Z`;
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

function roundTimes(start, end, most) {
  const step =
    [60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600].find((size) => (end - start) / size <= most) ?? 21600;
  const shift = new Date(start * 1000).getTimezoneOffset() * 60;
  const times = [];
  for (let time = Math.ceil((start - shift) / step) * step + shift; time < end; time += step)
    times.push(time);
  return times.filter((time) => time - start > step * 0.2 && end - time > step * 0.2);
}

function hatching() {
  const stripe = s("path", { class: "hatch", d: "M-2 2L2 -2M0 8L8 0M6 10L10 6" });
  return s(
    "defs",
    {},
    s("pattern", { id: "hatch", width: 8, height: 8, patternUnits: "userSpaceOnUse" }, stripe),
  );
}

const round = (value) => Math.round(value * 10) / 10;
