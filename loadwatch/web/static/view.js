// Each part of the page from its part of the status document (see loadwatch/web/status.py).

import { byId, h, known, say, whenChanged } from "./dom.js";
import {
  dateAndTime,
  digits,
  duration,
  horizonName,
  percent,
  signalInSentence,
  signalName,
  weight,
} from "./format.js";

const ORIGINS = { bootstrap: "first, from synthetic data", trained: "trained on this host" };
const MOST_BARS = 6;
const DRIVEN = {
  high_load: ["Towards high load", "In log odds, against an ordinary moment of this host: +0.7 doubles the odds."],
  anomaly: ["Towards “unlike itself”", "Parts of the anomaly score."],
};

// The horizons last heard of: they keep their places, empty, while there is no fresh verdict.
let horizonsKnown = [];

/** The commit in git's short form; nothing where the build did not know it. */
const buildName = (build) => (build ? ` (commit ${build.commit.slice(0, 12)}${build.changed ? " with changes" : ""})` : "");

export function showVerdict(status) {
  say(byId("host"), status.host || "This host");
  say(byId("headline"), status.headline);
  say(byId("detail"), inPlainWords(status.detail));
  const culprits = status.verdict?.culprits?.words;
  say(byId("culprits"), culprits ? `Used most by ${culprits}.` : "");
  document.title = `${status.headline} – ${status.host || "loadwatch"}`;
  byId("documentation").setAttribute("href", status.links.documentation);
  const since = status.started_timestamp
    ? `, running for ${duration(status.now_timestamp - status.started_timestamp)}`
    : "";
  say(
    byId("colophon"),
    `loadwatch ${status.version}${buildName(status.build)}${since}, a sample every ${duration(status.interval_seconds)}.`,
  );
}

export function showTiles(status, series) {
  if (status.verdict?.fresh) horizonsKnown = status.verdict.high_load;
  // A page that is opened when there is no fresh verdict any more knows the horizons from the curves.
  else if (!horizonsKnown.length && series) {
    const seconds = Object.keys(series.probabilities).map(Number).sort((one, other) => one - other);
    horizonsKnown = seconds.map((horizon) => ({ horizon_seconds: horizon }));
  }
  const horizons = status.verdict?.fresh
    ? horizonsKnown
    : horizonsKnown.map((each) => ({ ...each, probability: null, flag: null }));
  const tiles = horizons.map(({ horizon_seconds: horizon, probability, flag }) => ({
    name: horizonName(horizon),
    value: probability,
    flag,
    kind: "",
  }));
  tiles.push({
    name: "Unlike itself",
    value: status.verdict?.anomaly.score ?? null,
    flag: status.verdict?.anomaly.flag ?? null,
    kind: "odd",
    later: status.verdict?.fresh,
  });
  const peak = status.verdict?.level_forecast.at(-1)?.words;
  say(byId("peak"), peak ? `${peak[0].toUpperCase()}${peak.slice(1)} (load level, median to 90th percentile).` : "");
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
    say(flag, !known(tile.value) ? unknown(tile) : tile.flag ? "flagged" : "not flagged");
  });
}

/** The anomaly is judged once enough of this host is learned; else what is not known is a fault. */
const unknown = (tile) => (tile.later ? "not learned yet" : "not known");

/** "cpu_pressure +0.41, memory +0.22" in a sentence: "CPU pressure +0.41, memory +0.22". */
const inPlainWords = (sentence) => sentence.replace(/\b[a-z][a-z_0-9]*(?= [+-]\d)/g, signalInSentence);

function emptyTile() {
  const meter = h("div", { class: "meter", "aria-hidden": "true" }, h("span"));
  return h(
    "li",
    {},
    h("p", { class: "name" }),
    h("p", { class: "figure" }),
    meter,
    h("p", { class: "flag" }),
  );
}

export function showContributions(status) {
  const parts = status.verdict?.contributions ?? {};
  const fresh = Boolean(status.verdict?.fresh);
  const missing = fresh
    ? "Not learned yet: that takes more history of this host."
    : "Not known without a fresh verdict.";
  whenChanged(byId("contributions"), [parts, fresh], () => [
    bars("high_load", parts.high_load, missing),
    bars("anomaly", parts.anomaly, missing),
  ]);
}

function bars(verdict, parts = [], missing) {
  const shown = parts.filter(({ value }) => Math.abs(value) >= 0.005).slice(0, MOST_BARS);
  const longest = Math.max(0.25, ...shown.map(({ value }) => Math.abs(value)));
  const rows = shown.map(({ signal, value }) => {
    const bar = h("span", { class: "bar" });
    bar.style.width = `${(Math.abs(value) / longest) * 50}%`;
    return h(
      "li",
      { class: value < 0 ? "against" : "for" },
      h("span", {}, signalName(signal)),
      h("span", { class: "track", "aria-hidden": "true" }, bar),
      h("span", { class: "value" }, weight(verdict, value)),
    );
  });
  const content = rows.length
    ? h("ul", { class: "bars" }, ...rows)
    : h(
        "p",
        { class: "quiet" },
        parts.length ? "No signal stands out." : missing,
      );
  const [title, unit] = DRIVEN[verdict];
  const caption = rows.length ? [h("p", { class: "unit" }, unit)] : [];
  return h("div", { class: `panel ${verdict}` }, h("h3", {}, title), ...caption, content);
}

const small = (value) => (value < 0.001 ? "under 0.001" : digits(value));

function learnedFrom(model) {
  if (!model?.rows) return "–";
  const rows = model.rows.toLocaleString();
  return model.origin === "bootstrap" ? `${rows} synthetic samples` : `${rows} samples${overSpan(model.span)}`;
}

function overSpan({ start_timestamp: start, end_timestamp: end }) {
  return known(end) ? ` over ${duration(end - start)}` : "";
}

/** Why this is high load by the operator's definition, or what it is short of. */
function ruleInWords(rule) {
  if (!rule) return "–";
  const names = rule.deciding.map(signalInSentence).join(" and ");
  const by = names ? `; ${names} decide${rule.deciding.length === 1 ? "s" : ""}` : "";
  const times = rule.level >= 1.005 ? `, ${digits(rule.level)} times` : "";
  return rule.level > 1 ? `over its limit${times}${by}` : `at ${percent(Math.max(0, Math.min(rule.level, 0.999)))} of its limit${by}`;
}

/** How it goes with one service that is told of alerts. */
function messages(recipient, ago) {
  const waiting = recipient.waiting ? `${recipient.waiting} waiting; ` : "";
  const told = recipient.last_success_timestamp ? `last told ${ago(recipient.last_success_timestamp)}` : "never told yet";
  return waiting + told + (recipient.trouble ? `; not delivered ${ago(recipient.last_failure_timestamp)}: ${recipient.trouble}` : "");
}

export function showModel(status) {
  const { model, training, worth, history, now_timestamp: now } = status;
  const ago = (timestamp) =>
    timestamp ? `${dateAndTime(timestamp)}, ${duration(now - timestamp)} ago` : "–";
  const losses = Object.entries(model?.losses ?? {})
    .map(([split, loss]) => `${split} ${known(loss) ? digits(loss) : "–"}`)
    .join(", ");
  const next =
    { waiting: "waiting until the host has recovered", running: "running now" }[training.state] ??
    (training.next_timestamp ? dateAndTime(training.next_timestamp) : "–");
  const facts = [
    ["Your rule for high load", ruleInWords(status.verdict?.rule)],
    ...(status.verdict?.failing ?? []).map(({ words }) => ["A source that fails", words]),
    ["Model", model ? `${model.version} (${ORIGINS[model.origin]})` : "none yet"],
    ["Trained", ago(model?.trained_timestamp)],
    ["Learned from", learnedFrom(model)],
    ["Loss", losses || "–"],
    ["Brier score (0 is perfect)", known(model?.brier) ? small(model.brier) : "–"],
    [
      "Forecasts that came true",
      worth.forecast_hit_ratio === null
        ? "–"
        : `${percent(worth.forecast_hit_ratio)}, by ${duration(worth.forecast_lead_time_seconds)} (median)`,
    ],
    ["Next training", next],
    ["Trainings", `${training.runs} run, ${training.rejections} refused, ${training.failures} failed`],
    [
      "History",
      history.rows
        ? `${history.rows.toLocaleString()} samples since ${dateAndTime(history.start_timestamp)}`
        : "–",
    ],
    ...status.notifications.map((recipient) => [`Messages to ${recipient.name}`, messages(recipient, ago)]),
  ];
  whenChanged(byId("model"), facts, () =>
    facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(value)))),
  );
}
