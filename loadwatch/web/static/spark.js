// The small chart of one signal: a curve with its scale, and the value of any moment by pointer or keyboard.

import { h, known, s, say } from "./dom.js";
import { momentOf, quantity, spanName } from "./format.js";
import { areaOf, pathOf, topOf } from "./paths.js";

const HEIGHT = 48;

export class SmallChart {
  constructor(name, unit) {
    this.name = name;
    this.unit = unit;
    this.curve = s("svg", { "aria-hidden": "true", viewBox: `0 0 100 ${HEIGHT}`, preserveAspectRatio: "none" });
    this.cursor = s("line", { class: "cursor", y1: 0, y2: HEIGHT, visibility: "hidden" });
    this.top = h("span", { class: "top-of-scale", "aria-hidden": "true" });
    this.slider = h("input", { type: "range", min: 0, value: 0 });
    this.box = h("div", { class: "small" }, this.curve, this.top, this.slider);
    this.readout = h("p", { class: "range" });
    this.pointing = false;
    this.slider.addEventListener("input", () => this.point());
    this.slider.addEventListener("focus", () => this.point());
    this.slider.addEventListener("blur", () => this.rest());
    this.box.addEventListener("pointermove", (event) => this.follow(event));
    this.box.addEventListener("pointerleave", () => this.rest());
  }

  /** values: one a slot, null where not known; timestamp: of a slot's middle, as a function. */
  show(values, span, timestamp) {
    const last = Number(this.slider.value) >= Number(this.slider.max);
    Object.assign(this, { values, span, timestamp });
    this.slider.max = Math.max(0, values.length - 1);
    if (last && !this.pointing) this.slider.value = this.slider.max;
    const top = topOf(values, this.unit);
    const x = (slot) => (slot / Math.max(1, values.length - 1)) * 100;
    const y = (value) => HEIGHT - 1 - (value / top) * (HEIGHT - 2);
    this.curve.replaceChildren(
      s("path", { class: "spark-area", d: areaOf(values, x, y, HEIGHT) }),
      s("path", { class: "spark", d: pathOf(values, x, y) }),
      this.cursor,
    );
    say(this.top, quantity(top, this.unit));
    this.slider.setAttribute("aria-label", `${this.name}, ${spanName(span)}`);
    if (this.pointing) this.point();
    else this.rest();
  }

  follow(event) {
    if (!this.values || event.pointerType === "touch") return;
    const { left, width } = this.box.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - left) / width));
    this.slider.value = Math.round(share * (this.values.length - 1));
    this.point();
  }

  /** Say the value of the moment that the slider is at. */
  point() {
    if (!this.values) return;
    this.pointing = true;
    const slot = Number(this.slider.value);
    const x = (slot / Math.max(1, this.values.length - 1)) * 100;
    this.cursor.setAttribute("x1", x);
    this.cursor.setAttribute("x2", x);
    this.cursor.setAttribute("visibility", "visible");
    const value = this.values[slot];
    const words = `${momentOf(this.timestamp(slot), this.span)}: ${known(value) ? quantity(value, this.unit) : "not known"}`;
    say(this.readout, words);
    this.slider.setAttribute("aria-valuetext", words);
  }

  /** Say between what the curve lies. */
  rest() {
    if (!this.values || document.activeElement === this.slider) return;
    this.pointing = false;
    this.cursor.setAttribute("visibility", "hidden");
    const measured = this.values.filter(known);
    const ends = [Math.min(...measured), Math.max(...measured)].map((one) => quantity(one, this.unit));
    const always = measured.length > 1 ? `always ${ends[0]}` : `${ends[0]} so far`;
    const words = !measured.length ? "not known" : ends[0] === ends[1] ? always : `${ends[0]} to ${ends[1]}`;
    say(this.readout, words);
    this.slider.setAttribute("aria-valuetext", `${words} in the ${spanName(this.span)}`);
  }
}
