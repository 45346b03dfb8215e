// What the model saw, by group: a card for each signal, and one line for those at which nothing happens.

import { byId, h, known, say } from "./dom.js";
import { quantity, signalName, spanName } from "./format.js";
import { SmallChart } from "./spark.js";

const GROUPS = [
  ["Processor", /^(cpu|iowait|steal|load)/],
  ["Memory", /^(memory|swap|oom)/],
  ["Network", /^network/],
  ["Storage", /^(disk|io_|filesystem)/],
  ["Connections", /^(tcp|udp|listen|conntrack)/],
  ["Other", /^/],
];
/** Up to this nothing happens; of what is not listed anything above 0 is something. */
const AT_REST = { ratio: 0.01, bytes_per_second: 1_000, seconds: 0.001, 1: 0.02 };
const TELLING = 0.05;
/** A signal that drove a verdict stays in view so long, lest the page jumps. */
const STAYS = 300;

const cards = new Map();
const groups = new Map();
const drove = new Map();

export function showSignals(status, series) {
  for (const signal of status.signals) {
    if (!cards.has(signal.name)) cards.set(signal.name, newCard(signal));
    const card = cards.get(signal.name);
    say(card.figure, quantity(signal.value, signal.unit));
    const values = series?.signals[signal.name];
    if (values && card.drawn !== values) {
      card.drawn = values;
      const middle = (slot) => series.start_timestamp + (slot + 0.5) * series.resolution_seconds;
      card.chart.show(values, series.span, middle);
    }
  }
  arrange(status, series);
}

function newCard({ name, unit, help }) {
  const chart = new SmallChart(signalName(name), unit);
  const figure = h("p", { class: "figure" });
  const element = h(
    "li",
    { class: "panel", "data-signal": name, title: help },
    h("p", { class: "name" }, signalName(name)),
    figure,
    chart.box,
    chart.readout,
  );
  return { element, figure, chart, drawn: null };
}

/** Each group with the cards of what happens; a group is changed only when others belong into view. */
function arrange(status, series) {
  const now = status.now_timestamp;
  for (const { signal, value } of Object.values(status.verdict?.contributions ?? {}).flat()) {
    if (value >= TELLING) drove.set(signal, now);
  }
  const drives = (name) => now - (drove.get(name) ?? -Infinity) < STAYS;
  const left = [...status.signals];
  for (const [title, pattern] of GROUPS) {
    const members = left.filter(({ name }) => pattern.test(name));
    members.forEach((member) => left.splice(left.indexOf(member), 1));
    if (!members.length) continue;
    if (!groups.has(title)) {
      groups.set(title, newGroup(title));
      byId("signals").append(groups.get(title).element);
    }
    const calm = members.filter((one) => !drives(one.name) && isAtRest(one, series));
    fill(groups.get(title), title, members, calm, series ? ` in the ${spanName(series.span)}` : " now");
  }
}

function isAtRest({ name, value, unit }, series) {
  const measured = [value, ...(series?.signals[name] ?? [])].filter(known);
  return measured.length > 0 && Math.max(...measured) <= (AT_REST[unit] ?? 0);
}

function newGroup(title) {
  const busy = h("ul", { class: "cards" });
  const summary = h("summary");
  const resting = h("ul", { class: "cards" });
  const folded = h("details", { class: "resting" }, summary, resting);
  return { element: h("div", { class: "group" }, h("h3", {}, title), busy, folded), busy, summary, resting, folded, shown: "" };
}

function fill(group, title, members, calm, when) {
  const busy = members.filter((member) => !calm.includes(member));
  const key = JSON.stringify([busy, calm].map((list) => list.map(({ name }) => name)));
  if (group.shown !== key) {
    group.shown = key;
    group.busy.replaceChildren(...busy.map(({ name }) => cards.get(name).element));
    group.resting.replaceChildren(...calm.map(({ name }) => cards.get(name).element));
    group.busy.hidden = !busy.length;
    group.folded.hidden = !calm.length;
    group.element.classList.toggle("at-rest", !busy.length);
  }
  const names = calm.map(({ name }) => signalName(name)).join(", ");
  say(group.summary, `${busy.length ? "Nothing happens at" : "Nothing happens"}${busy.length ? ` ${calm.length} more` : ""}${when}: ${names}`);
}
