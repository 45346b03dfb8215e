// What happened: alerts, maintenance and labels, newest first. An alert opens to its reasons, to who used what
// drives it, and to the commands that answer it.

import { byId, h, known, say, whenChanged } from "./dom.js";
import { dateAndTime, digits, duration, horizonName, listed, percent, signalInSentence, signalName, weight } from "./format.js";

const OUTCOMES = { confirmed: "confirmed", false: "false alarm" };
const KINDS = { high_load: "High load", anomaly: "Unlike itself", maintenance: "Maintenance", label: "Label" };
const ANSWERS = [
  ["normal", "It was normal: a false alarm, and learned as usual."],
  ["high", "It was high load, and is learned as that."],
  ["incident", "It was an incident: right, and never learned as usual."],
];
const SHOWN = 3;
const REASONS = 3;

const opened = new Set();
const rows = new Map();

export function showAlerts(status) {
  const named = (list, verdict) => list.map((each) => ({ ...each, verdict }));
  const events = [...status.alerts, ...named(status.maintenance, "maintenance"), ...named(status.labels, "label")];
  events.sort((one, other) => isOver(one) - isOver(other) || other.start_timestamp - one.start_timestamp);
  whenChanged(byId("alerts"), events, () => {
    if (!events.length) return [h("p", { class: "empty" }, "No alerts and no maintenance so far.")];
    const list = (some) => h("ul", { class: "events" }, ...some.map(rowOf));
    if (events.length <= SHOWN + 1) return [list(events)];
    const more = h("summary", {}, `${events.length - SHOWN} more of the last four weeks`);
    return [list(events.slice(0, SHOWN)), remembered("older", more, list(events.slice(SHOWN)))];
  });
  openNamed();
  const { budget_per_week: budget, alerts_this_week: counts, false_per_week: wrong } = status.worth;
  const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const sentences = known(budget) ? [`${all} of the ${budget} alerts that a week allows, in the last seven days.`] : [];
  for (const verdict of Object.keys(wrong)) {
    if (known(wrong[verdict])) sentences.push(`${KINDS[verdict]}: ${digits(wrong[verdict])} false a week so far.`);
  }
  say(byId("worth"), sentences.join(" "));
}

/** Where an alert is to be found on this page. */
export const anchorOf = (alert) => `alert-${alert.identity}`;

/** Open the alert that the address names: by a click in the chart, or by a link from elsewhere. */
function openNamed() {
  const named = location.hash.startsWith("#alert-") ? byId(location.hash.slice(1)) : null;
  if (!named || openNamed.last === location.hash) return;
  openNamed.last = location.hash;
  const older = named.closest("details.older");
  if (older) older.open = true;
  named.open = true;
  named.scrollIntoView({ block: "nearest" });
  named.querySelector("summary").focus({ preventScroll: true });
}

addEventListener("hashchange", () => {
  openNamed.last = "";
  openNamed();
});
// A second click on the same mark changes no address.
document.addEventListener("click", (event) => {
  const target = event.target.closest?.('a[href^="#alert-"]');
  if (target?.getAttribute("href") === location.hash) {
    openNamed.last = "";
    openNamed();
  }
});

/** A details element that stays open when its list is drawn anew. */
function remembered(key, ...children) {
  const element = h("details", { class: key === "older" ? "older" : "event" }, ...children);
  element.open = opened.has(key);
  element.addEventListener("toggle", () => (element.open ? opened.add(key) : opened.delete(key)));
  return element;
}

/** The row of an event; the same as before where nothing of it has changed, so that no selection is lost. */
function rowOf(event) {
  const key = `${event.verdict} ${event.identity} ${event.start_timestamp}`;
  const shown = JSON.stringify(event);
  if (rows.get(key)?.shown !== shown) rows.set(key, { shown, element: eventRow(event) });
  return rows.get(key).element;
}

const isOver = ({ verdict, end_timestamp: end }) => verdict === "label" || known(end);

function eventRow(event) {
  const { verdict, kind, start_timestamp: start, end_timestamp: end } = event;
  const lasted = known(end) ? `for ${duration(end - start)}` : "still on";
  const mark = verdict === "label" ? kind : verdict;
  const line = [
    h("span", { class: `mark ${mark}`, "aria-hidden": "true" }),
    h("span", { class: "what" }, nameOf(event)),
    h("span", { class: "when" }, `${dateAndTime(start)}, ${lasted}`),
    h("span", { class: "why" }, shortly(event)),
  ];
  if (!event.contributions) return h("li", { class: "event line" }, ...line);
  const alert = remembered(anchorOf(event), h("summary", { class: "line" }, ...line), answerable(event));
  alert.id = anchorOf(event);
  return h("li", {}, alert);
}

function nameOf({ verdict, kind, horizon_seconds: horizon, end_timestamp: end }) {
  if (verdict === "label") return `Labelled ${{ high: "high load" }[kind] ?? kind}`;
  const ahead = horizon ? `, foretold ${horizonName(horizon).toLowerCase()}` : "";
  return `${KINDS[verdict]}${ahead}${known(end) || verdict === "maintenance" ? "" : " (open)"}`;
}

/** Why, in a line: who used it where that is known, else the signals; and what became of it. */
function shortly(event) {
  if (!event.contributions) return event.why || "";
  const signals = listed(event.contributions.slice(0, REASONS).map(({ signal }) => signalInSentence(signal)));
  const parts = [event.culprits?.words || (signals && `driven by ${signals}`), outcomeOf(event)];
  return parts.filter(Boolean).join("; ");
}

function outcomeOf({ outcome, lead_time_seconds: lead }) {
  const early = lead ? `, ${duration(lead)} early` : "";
  return outcome ? `${OUTCOMES[outcome]}${early}` : "";
}

function answerable(event) {
  const { identity, verdict, contributions, culprits, peak } = event;
  const facts = [
    ["Reasons", reasonsOf(verdict, contributions)],
    ["Used most by", culprits?.words || "not known"],
    [verdict === "anomaly" ? "Highest score" : "Highest probability", percent(peak)],
    ["What became of it", outcomeOf(event) || "not known yet"],
  ];
  const answers = ANSWERS.map(([kind, meaning]) =>
    h("li", {}, h("span", {}, meaning), command(`loadwatch label --alert ${identity} ${kind}`)),
  );
  return h(
    "div",
    { class: "opened" },
    h("dl", { class: "facts" }, ...facts.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    h("p", {}, "What was it really? Answer on this host, as root; it is learned at the next training:"),
    h("ul", { class: "answers" }, ...answers),
  );
}

function reasonsOf(verdict, contributions) {
  if (!contributions.length) return "no single signal stands out";
  const parts = contributions.map(({ signal, value }) => `${signalName(signal)} ${weight(verdict, value)}`);
  return `${parts.join(", ")} ${verdict === "anomaly" ? "of the score" : "in log odds"}`;
}

/** A command to be copied; also where the browser gives no clipboard to a page over plain HTTP. */
function command(words) {
  const code = h("code", {}, words);
  const button = h("button", { type: "button", "aria-label": `Copy: ${words}` }, "Copy");
  button.addEventListener("click", async () => {
    getSelection().selectAllChildren(code);
    try {
      await navigator.clipboard.writeText(words);
    } catch {
      if (!document.execCommand("copy")) return say(button, "Selected");
    }
    say(button, "Copied");
    setTimeout(() => say(button, "Copy"), 2_000);
  });
  return h("span", { class: "command" }, code, button);
}
