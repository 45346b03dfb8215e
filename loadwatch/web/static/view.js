// Each part of the page from its part of the status document (see loadwatch/web/status.py).

import { drawSparkline } from "./chart.js";
import { byId, h, s, say, whenChanged } from "./dom.js";
import { dateAndTime, duration, horizonName, percent, quantity, signalName, signed } from "./format.js";

const GROUPS = [
  ["Processor", /^(cpu|iowait|steal|load)/],
  ["Memory", /^(memory|swap)/],
  ["Storage", /^(disk|io_)/],
  ["Network", /^network/],
  ["Connections", /^(tcp|udp|listen)/],
  ["Other", /^/],
];
const OUTCOMES = { confirmed: "confirmed", false: "false alarm" };
const KINDS = { high_load: "High load", anomaly: "Unlike itself" };
const MOST_BARS = 8;

// The horizons last heard of: they keep their places, empty, while there is no fresh verdict.
let known = [];

export function showVerdict(status) {
  say(byId("host"), status.host || "This host");
  say(byId("headline"), status.headline);
  say(byId("detail"), status.detail);
  document.title = `${status.headline} – ${status.host || "loadwatch"}`;
  byId("documentation").setAttribute("href", status.links.documentation);
  const since = status.started_timestamp ? `, running for ${duration(status.now_timestamp - status.started_timestamp)}` : "";
  say(byId("colophon"), `loadwatch ${status.version}${since}, a sample every ${duration(status.interval_seconds)}.`);
}

export function showTiles(status) {
  if (status.verdict?.fresh) known = status.verdict.high_load;
  const horizons = status.verdict?.fresh ? known : known.map((each) => ({ ...each, probability: null, flag: null }));
  const tiles = horizons.map(({ horizon_seconds: horizon, probability, flag }) => ({ name: horizonName(horizon), value: probability, flag, kind: "" }));
  tiles.push({ name: "Unlike itself", value: status.verdict?.anomaly.score ?? null, flag: status.verdict?.anomaly.flag ?? null, kind: "odd" });
  const list = byId("tiles");
  while (list.children.length > tiles.length) list.lastChild.remove();
  while (list.children.length < tiles.length) list.append(emptyTile());
  tiles.forEach((tile, place) => {
    const item = list.children[place];
    item.className = `panel ${tile.kind} ${tile.flag ? "raised" : ""}`;
    const [name, figure, meter, flag] = item.children;
    say(name, tile.name);
    say(figure, percent(tile.value));
    meter.firstChild.style.width = `${(tile.value ?? 0) * 100}%`;
    say(flag, tile.flag === null ? "not known" : tile.flag ? "flagged" : "not flagged");
  });
}

function emptyTile() {
  const meter = h("div", { class: "meter", "aria-hidden": "true" }, h("span"));
  return h("li", {}, h("p", { class: "name" }), h("p", { class: "figure" }), meter, h("p", { class: "flag" }));
}

export function showContributions(status) {
  const parts = status.verdict?.contributions ?? {};
  whenChanged(byId("contributions"), parts, () => [
    bars("Towards high load", parts.high_load, ""),
    bars("Towards “unlike itself”", parts.anomaly, "odd-verdict"),
  ]);
}

function bars(title, parts = [], kind) {
  const shown = parts.slice(0, MOST_BARS);
  const longest = Math.max(0.1, ...shown.map(({ value }) => Math.abs(value)));
  const rows = shown.map(({ signal, value }) => {
    const bar = h("span", { class: "bar" });
    bar.style.width = `${(Math.abs(value) / longest) * 50}%`;
    return h("li", { class: value < 0 ? "against" : "for" },
      h("span", {}, signalName(signal)), h("span", { class: "track", "aria-hidden": "true" }, bar), h("span", { class: "value" }, signed(value)));
  });
  const content = rows.length ? h("ul", { class: "bars" }, ...rows) : h("p", { class: "quiet" }, "Not known without a fresh verdict.");
  return h("div", { class: `panel ${kind}` }, h("h3", {}, title), content);
}

export function showSignals(status, series) {
  const container = byId("signals");
  const names = status.signals.map(({ name }) => name);
  whenChanged(container, names, () => groupsOf(status.signals));
  for (const { name, value, unit } of status.signals) {
    const card = container.querySelector(`[data-signal="${CSS.escape(name)}"]`);
    say(card.querySelector(".figure"), quantity(value, unit));
    const values = series?.signals[name];
    if (values) {
      drawSparkline(card.querySelector("svg"), values, unit);
      const known = values.filter((one) => one !== null);
      const range = known.length ? `between ${quantity(Math.min(...known), unit)} and ${quantity(Math.max(...known), unit)} in the last ${series.span}` : "";
      say(card.querySelector(".unseen"), range);
    }
  }
}

function groupsOf(signals) {
  const left = [...signals];
  return GROUPS.flatMap(([title, pattern]) => {
    const members = left.filter(({ name }) => pattern.test(name));
    members.forEach((member) => left.splice(left.indexOf(member), 1));
    if (!members.length) return [];
    return [h("div", {}, h("h3", {}, title), h("ul", { class: "cards" }, ...members.map(signalCard)))];
  });
}

function signalCard({ name, help }) {
  return h("li", { class: "panel", "data-signal": name, title: help },
    h("p", { class: "name" }, signalName(name)), h("p", { class: "figure" }), h("p", { class: "unseen" }),
    s("svg", { "aria-hidden": "true" }));
}

export function showAlerts(status) {
  const windows = status.maintenance.map((window) => ({ ...window, verdict: "maintenance" }));
  const events = [...status.alerts, ...windows].sort((one, other) => other.start_timestamp - one.start_timestamp);
  whenChanged(byId("alerts"), events, () => {
    if (!events.length) return [h("p", { class: "empty" }, "No alerts and no maintenance so far.")];
    const head = h("tr", {}, ...["When", "What", "Lasted", "Why", "Outcome"].map((name) => h("th", { scope: "col" }, name)));
    return [h("table", {}, h("caption", { class: "unseen" }, "Alerts and maintenance, newest first"), h("thead", {}, head), h("tbody", {}, ...events.map(eventRow)))];
  });
  const { budget_per_week: budget, raised_this_week: raised, false_per_week: wrong } = status.worth;
  const verdicts = Object.keys(budget).map((verdict) => `${KINDS[verdict].toLowerCase()} ${raised[verdict] ?? 0} of ${budget[verdict]}${wrong[verdict] === undefined ? "" : `, false ${wrong[verdict]} a week`}`);
  say(byId("worth"), verdicts.length ? `Alerts of the last seven days within the budget: ${verdicts.join("; ")}.` : "");
}

function eventRow(event) {
  const lasted = event.end_timestamp === null ? "still on" : duration(event.end_timestamp - event.start_timestamp);
  const what = event.verdict === "maintenance" ? "Maintenance"
    : `${KINDS[event.verdict]}${event.horizon_seconds ? `, ${horizonName(event.horizon_seconds).toLowerCase()}` : ""}${event.peak === null ? "" : ` (peak ${percent(event.peak)})`}`;
  const why = event.why ?? (event.contributions.map(({ signal, value }) => `${signalName(signal)} ${signed(value)}`).join(", ") || "–");
  const early = event.lead_time_seconds ? `, ${duration(event.lead_time_seconds)} early` : "";
  const outcome = event.verdict === "maintenance" ? "–" : `${OUTCOMES[event.outcome] ?? "not known yet"}${early}`;
  return h("tr", {}, h("th", { scope: "row" }, dateAndTime(event.start_timestamp)),
    h("td", {}, h("span", { class: `mark ${event.verdict}`, "aria-hidden": "true" }), what), ...[lasted, why, outcome].map((text) => h("td", {}, text)));
}

export function showModel(status) {
  const { model, training, worth, history, now_timestamp: now } = status;
  const ago = (timestamp) => (timestamp ? `${dateAndTime(timestamp)}, ${duration(now - timestamp)} ago` : "–");
  const losses = Object.entries(model?.losses ?? {}).map(([split, loss]) => `${split} ${loss}`).join(", ");
  const next = { waiting: "waiting until the host has recovered", running: "running now" }[training.state] ?? (training.next_timestamp ? dateAndTime(training.next_timestamp) : "–");
  const facts = [
    ["Model", model ? `${model.version} (${model.origin === "bootstrap" ? "first, from synthetic data" : "trained on this host"})` : "none yet"],
    ["Trained", ago(model?.trained_timestamp)],
    ["Learned from", model?.rows ? `${model.rows.toLocaleString()} samples${model.span.end_timestamp ? ` over ${duration(model.span.end_timestamp - model.span.start_timestamp)}` : ""}` : "–"],
    ["Loss", losses || "–"],
    ["Brier score (0 is perfect)", model?.brier ?? "–"],
    ["Forecasts that came true", worth.forecast_hit_ratio === null ? "–" : `${percent(worth.forecast_hit_ratio)}, ${duration(worth.forecast_lead_time_seconds)} early in the median`],
    ["Next training", next],
    ["Trainings", `${training.runs} run, ${training.rejections} refused, ${training.failures} failed`],
    ["History", history.rows ? `${history.rows.toLocaleString()} samples since ${dateAndTime(history.start_timestamp)}` : "–"],
  ];
  whenChanged(byId("model"), facts, () => facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(value)))));
}
