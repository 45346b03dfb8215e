// The large chart in plain SVG, with the same figures as text for those who do not see it.

import { h, known, s, say } from "./dom.js";
import { momentOf, percent, quantity, tickOf } from "./format.js";
import { areaOf, pathOf, roundTimes, topOf } from "./paths.js";

const HEIGHT = 250;
const MARGIN = { left: 44, right: 8, top: 12, bottom: 24 };
const ROOM_FOR_UNITS = 68;
const TABLE_ROWS = 12;
const KINDS = {
  high_load: "High-load alert",
  anomaly: "Anomaly alert",
  maintenance: "Maintenance",
  high: "Labelled high load",
  normal: "Labelled normal",
  incident: "Labelled incident",
  training: "Training",
};

const LABELS = new Set(["high", "normal", "incident"]);

/** A chart of shares over time with marks behind; a slider walks through it by pointer and by keyboard. */
export class ShareChart {
  constructor(figure, title) {
    this.svg = s("svg", { role: "group", height: HEIGHT, "aria-label": title });
    this.legend = h("ul", { class: "legend" });
    this.slider = h("input", { type: "range", min: 0, "aria-label": `${title}: moment` });
    this.readout = h("p", { class: "readout" });
    this.table = h("table");
    this.title = title;
    const details = h(
      "details",
      {},
      h("summary", {}, "The same as a table"),
      h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": `${title}: table` }, this.table),
    );
    figure.replaceChildren(this.legend, this.svg, this.slider, this.readout, details);
    this.slider.addEventListener("input", () => this.point());
    this.svg.addEventListener("pointermove", (event) => this.follow(event));
    new ResizeObserver(() => this.draw()).observe(figure);
  }

  /**
   * curves: [{name, mark, values}], shares; signal: null or the same with its unit, drawn against a scale of its
   * own, and where it has one with a band {name, low, high} behind it; bands: [{kind, start, end, name, href}] in epoch seconds, those with an address can be followed.
   */
  show({ span, start, resolution, curves, signal, bands }) {
    const grown = this.slots === undefined || this.slider.value === this.slider.max || span !== this.span;
    Object.assign(this, { span, start, resolution, curves, signal, bands });
    this.slots = curves[0]?.values.length ?? signal?.values.length ?? 0;
    this.slider.max = Math.max(0, this.slots - 1);
    if (grown) this.slider.value = this.slider.max;
    this.draw();
  }

  get end() {
    return this.start + this.slots * this.resolution;
  }

  get right() {
    return this.signal ? ROOM_FOR_UNITS : MARGIN.right;
  }

  draw() {
    if (!this.slots) return;
    this.width = this.svg.getBoundingClientRect().width || 600;
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${HEIGHT}`);
    this.slider.style.width = `${this.width - MARGIN.left - this.right + 14}px`;
    this.slider.style.marginLeft = `${MARGIN.left - 7}px`;
    this.cursor = s("line", { class: "cursor", y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom });
    const focused = this.svg.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    this.svg.replaceChildren(
      hatching(),
      s("g", { "aria-hidden": "true" }, ...this.axes()),
      ...this.marks(),
      s("g", { class: "lines", "aria-hidden": "true" }, ...this.lines(), this.cursor),
    );
    if (focused) this.svg.querySelector(`a[href="${focused}"]`)?.focus();
    this.svg.setAttribute("aria-label", this.summary());
    this.legend.replaceChildren(...this.legendMarks());
    this.fillTable();
    this.point();
  }

  x(timestamp) {
    const share = (timestamp - this.start) / (this.end - this.start);
    return MARGIN.left + Math.min(1, Math.max(0, share)) * (this.width - MARGIN.left - this.right);
  }

  y(share) {
    return MARGIN.top + (1 - share) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  }

  axes() {
    const marks = [];
    const text = (attributes, words) => s("text", { class: "axis-text", ...attributes }, words);
    const top = this.signal ? this.top : 1;
    for (const share of [0, 0.25, 0.5, 0.75, 1]) {
      const y = this.y(share);
      marks.push(s("line", { class: "grid-line", x1: MARGIN.left, x2: this.width - this.right, y1: y, y2: y }));
      if (share % 0.5) continue;
      marks.push(text({ x: MARGIN.left - 8, y: y + 4, "text-anchor": "end" }, `${share * 100} %`));
      if (this.signal) {
        const x = this.width - this.right + 8;
        marks.push(text({ x, y: y + 4, class: "axis-text of-signal" }, quantity(share * top, this.signal.unit)));
      }
    }
    for (const timestamp of roundTimes(this.start, this.end, this.width < 520 ? 4 : 8)) {
      marks.push(text({ x: this.x(timestamp), y: HEIGHT - 4, "text-anchor": "middle" }, tickOf(timestamp)));
    }
    return marks;
  }

  get shownBands() {
    return this.bands.filter((band) => band.end > this.start && band.start < this.end);
  }

  marks() {
    return this.shownBands.map((band) => {
      const shapes = this.shapesOf(band);
      const tip = s("title", {}, band.name);
      if (!band.href) return s("g", { "aria-hidden": "true" }, tip, ...shapes);
      return s("a", { href: band.href, "aria-label": band.name }, tip, ...shapes);
    });
  }

  /** Alerts and maintenance as bands, labels as strips above the time axis, trainings as ticks upon it. */
  shapesOf({ kind, start, end }) {
    const x = this.x(start);
    const box = { x, width: Math.max(3, this.x(end) - x) };
    const floor = HEIGHT - MARGIN.bottom;
    const height = floor - MARGIN.top;
    if (kind === "maintenance") return [s("rect", { ...box, y: MARGIN.top, height, fill: "url(#hatch)" })];
    if (kind === "training") return [s("path", { class: "edge-training", d: `M${x} ${floor - 8}l4 8h-8z` })];
    if (LABELS.has(kind)) {
      return [s("rect", { ...box, y: floor - 6, height: 6, class: `edge-${kind}` })];
    }
    return [
      s("rect", { ...box, y: MARGIN.top, height, class: `band-${kind}` }),
      s("rect", { ...box, y: MARGIN.top - 6, height: 6, class: `edge-${kind}` }),
    ];
  }

  lines() {
    const x = (slot) => this.x(this.start + (slot + 0.5) * this.resolution);
    const path = (mark, values, y) => s("path", { class: `curve curve-${mark}`, d: pathOf(values, x, y) });
    const drawn = this.curves.map(({ mark, values }) => path(mark, values, (share) => this.y(share)));
    return this.signal ? [...this.besides(x), ...drawn] : drawn;
  }

  /** The signal, on its own scale, with its band and the limit of a load level. */
  besides(x) {
    const { values, unit, band } = this.signal;
    const y = (value) => this.y(Math.max(0, value) / this.top);
    const shapes = [s("path", { class: "curve curve-signal", d: pathOf(values, x, y) })];
    if (band) shapes.unshift(s("path", { class: "fan", d: areaOf(band.high, x, y, band.low) }));
    if (unit === "level") {
      const ends = { x1: MARGIN.left, x2: this.width - this.right, y1: y(1), y2: y(1) };
      shapes.push(s("line", { class: "limit", ...ends }));
    }
    return shapes;
  }

  get top() {
    return topOf([...this.signal.values, ...(this.signal.band?.high ?? [])], this.signal.unit);
  }

  legendMarks() {
    const sample = (...shapes) => s("svg", { viewBox: "0 0 26 12", "aria-hidden": "true" }, ...shapes);
    const line = (mark) => sample(s("path", { class: `curve curve-${mark}`, d: "M1 6H25" }));
    const box = (kind) => {
      if (kind === "maintenance") return sample(s("rect", { width: 26, height: 12, fill: "url(#hatch)" }));
      if (kind === "training") return sample(s("path", { class: "edge-training", d: "M13 2l5 9h-10z" }));
      if (LABELS.has(kind)) return sample(s("rect", { y: 3, width: 26, height: 6, class: `edge-${kind}` }));
      const edge = s("rect", { width: 26, height: 4, class: `edge-${kind}` });
      return sample(s("rect", { width: 26, height: 12, class: `band-${kind}` }), edge);
    };
    const fan = sample(s("rect", { width: 26, height: 12, class: "fan" }));
    const shown = new Set(this.shownBands.map((band) => band.kind));
    return [
      ...this.curves.map(({ mark, name }) => h("li", {}, line(mark), name)),
      ...(this.signal ? [h("li", {}, line("signal"), `${this.signal.name} (right${this.signal.unit === "level" ? ", the limit is 100 %" : ""})`)] : []),
      ...(this.signal?.band ? [h("li", {}, fan, this.signal.band.name)] : []),
      ...Object.keys(KINDS)
        .filter((kind) => shown.has(kind))
        .map((kind) => h("li", {}, box(kind), KINDS[kind])),
    ];
  }

  follow(event) {
    const left = this.svg.getBoundingClientRect().left + MARGIN.left;
    const share = (event.clientX - left) / (this.width - MARGIN.left - this.right);
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
    if (this.signal) figures.push(this.besideAt(slot));
    const marks = this.bands
      .filter(({ start, end }) => start < timestamp + this.resolution / 2 && end > timestamp - this.resolution / 2)
      .map((band) => band.name.toLowerCase());
    const words = `${momentOf(timestamp, this.span)}: ${[...figures, ...marks].join(", ")}`;
    say(this.readout, words);
    this.slider.setAttribute("aria-valuetext", words);
  }

  besideAt(slot) {
    const { name, values, unit, band } = this.signal;
    const words = `${name} ${quantity(values[slot], unit)}`;
    if (!known(band?.high[slot])) return words;
    return `${words}, forecast to peak at ${quantity(band.low[slot], unit)} to ${quantity(band.high[slot], unit)}`;
  }

  summary() {
    const highest = this.curves.map(({ name, values }) => {
      const measured = values.filter(known);
      return `${name.toLowerCase()} at most ${measured.length ? percent(Math.max(...measured)) : "unknown"}`;
    });
    const ends = [this.start, this.end].map((timestamp) => momentOf(timestamp, this.span));
    return `${this.title} from ${ends[0]} to ${ends[1]}: ${highest.join(", ")}`;
  }

  fillTable() {
    const step = Math.ceil(this.slots / TABLE_ROWS);
    const columns = this.curves.map(({ name, values }) => [name, (slot) => percent(values[slot])]);
    if (this.signal) {
      const { name, values, unit } = this.signal;
      columns.push([name, (slot) => quantity(values[slot], unit)]);
    }
    const rows = [];
    for (let slot = this.slots - 1; slot >= 0; slot -= step) {
      const moment = momentOf(this.start + slot * this.resolution, this.span);
      const cells = columns.map(([, words]) => h("td", {}, words(slot)));
      rows.push(h("tr", {}, h("th", { scope: "row" }, moment), ...cells));
    }
    const heads = ["Time", ...columns.map(([name]) => name)].map((name) => h("th", { scope: "col" }, name));
    this.table.replaceChildren(
      h("caption", { class: "unseen" }, this.title),
      h("thead", {}, h("tr", {}, ...heads)),
      h("tbody", {}, ...rows),
    );
  }
}

function hatching() {
  const stripe = s("path", { class: "hatch", d: "M-2 2L2 -2M0 8L8 0M6 10L10 6" });
  return s(
    "defs",
    {},
    s("pattern", { id: "hatch", width: 8, height: 8, patternUnits: "userSpaceOnUse" }, stripe),
  );
}
