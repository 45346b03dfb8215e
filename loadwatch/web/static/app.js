// Asks the daemon every few seconds and shows what it says; says so when it does not answer or has grown old.

import { ShareChart } from "./chart.js";
import { byId, h, known, say, whenChanged } from "./dom.js";
import { anchorOf, showAlerts } from "./events.js";
import { duration, horizonName, signalName, timeOfDay } from "./format.js";
import { showSignals } from "./signals.js";
import { showContributions, showModel, showTiles, showVerdict } from "./view.js";

const ASK_EVERY = 5_000;
const PATIENCE = 4_000;
// What browsers call "signal timed out" and "Failed to fetch".
const TROUBLES = {
  TimeoutError: `no answer within ${PATIENCE / 1_000} seconds`,
  TypeError: "no connection",
};
const LEAST_SLOTS = 30;
// No signal is called so.
const LEVEL = "load level";
const CURVES_EVERY = { hour: 10_000, six_hours: 30_000, day: 60_000, week: 300_000 };

// Relative, so that it works behind a prefix; without the user:password of an address typed in full, which
// browsers refuse to fetch from although they have already let the user in by it.
const endpoint = new URL("api/v1/status", document.baseURI);
endpoint.username = endpoint.password = "";

const chart = new ShareChart(byId("probability-chart"), "Probability of high load and anomaly score");
const page = {
  status: null,
  series: null,
  heardAt: 0,
  curvesAt: -Infinity,
  span: "hour",
  unreachableSince: null,
  trouble: "",
};

async function ask() {
  const now = performance.now();
  const wantsCurves = now - page.curvesAt >= CURVES_EVERY[page.span];
  const span = page.span;
  endpoint.search = wantsCurves ? `?series=${span}` : "";
  const answer = await fetch(endpoint, { signal: AbortSignal.timeout(PATIENCE), cache: "no-store" });
  if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
  const status = await answer.json();
  if (span !== page.span) return;
  page.status = status;
  page.heardAt = performance.now();
  page.unreachableSince = null;
  if (status.series) {
    page.series = sinceTheFirst(status.series);
    page.curvesAt = now;
  }
  show(status);
}

function show(status) {
  showVerdict(status);
  showTiles(status, page.series);
  showContributions(status);
  showSignals(status, page.series);
  showAlerts(status);
  showModel(status);
  if (page.series) showCourse(status, page.series);
}

/** Without the empty time before the first sample, so that a young daemon's curves can be seen. */
function sinceTheFirst(series) {
  const curves = [...Object.values(series.probabilities), ...Object.values(series.signals), series.level];
  const slots = Math.max(0, ...curves.map((values) => values.length));
  const begins = Math.min(slots, ...curves.map((values) => values.findIndex(known)).filter((slot) => slot >= 0));
  const skipped = Math.max(0, Math.min(begins, slots - LEAST_SLOTS));
  const cut = (parts) => Object.fromEntries(Object.entries(parts).map(([name, all]) => [name, all.slice(skipped)]));
  return {
    ...series,
    start_timestamp: series.start_timestamp + skipped * series.resolution_seconds,
    probabilities: cut(series.probabilities),
    signals: cut(series.signals),
    anomaly: series.anomaly.slice(skipped),
    level: series.level.slice(skipped),
    level_forecast: cut(series.level_forecast),
  };
}

function showCourse(status, series) {
  const horizons = Object.keys(series.probabilities).sort((one, other) => one - other);
  const curves = horizons.map((horizon, place) => ({
    name: horizonName(Number(horizon)),
    mark: Math.min(place, 3),
    values: series.probabilities[horizon],
  }));
  if (series.anomaly.length) curves.push({ name: "Unlike itself", mark: "odd", values: series.anomaly });
  const until = (end) => end ?? status.now_timestamp;
  const band = (kind, name, { start_timestamp: start, end_timestamp: end }, href) => ({
    kind,
    name,
    href,
    start,
    end: until(end),
  });
  const bands = [
    ...status.maintenance.map((each) => band("maintenance", `Maintenance${each.why && `: ${each.why}`}`, each)),
    ...status.trainings.map((each) => band("training", "Training", each)),
    ...status.labels.map((each) => band(each.kind, `Labelled ${each.kind}${each.why && `: ${each.why}`}`, each)),
    ...status.alerts.map((each) =>
      band(each.verdict, `Alert since ${timeOfDay(each.start_timestamp)}`, each, `#${anchorOf(each)}`),
    ),
  ];
  offerSignals(status.signals);
  const { span, start_timestamp: start, resolution_seconds: resolution } = series;
  chart.show({ span, start, resolution, curves, signal: besideOf(status.signals, series), bands });
}

/** What is drawn beside the probabilities, where something is chosen: the load level with its forecast, or a signal. */
function besideOf(signals, series) {
  if (byId("beside").value === LEVEL) {
    const { "0.5": low, "0.9": high } = series.level_forecast;
    const ahead = duration(Math.max(...Object.keys(series.probabilities)));
    const band = low && high ? { name: `Peak forecast within ${ahead}, median to 90th percentile`, low, high } : null;
    return { name: "Load level", unit: "level", values: series.level, band };
  }
  const chosen = signals.find(({ name }) => name === byId("beside").value);
  const values = chosen && series.signals[chosen.name];
  return values ? { name: signalName(chosen.name), unit: chosen.unit, values } : null;
}

function offerSignals(signals) {
  const select = byId("beside");
  const names = signals.map(({ name }) => name);
  const { value } = select;
  whenChanged(select, names, () => [
    h("option", { value: "" }, "no signal"),
    h("option", { value: LEVEL }, "Load level and forecast"),
    ...names.map((name) => h("option", { value: name }, signalName(name))),
  ]);
  if (select.value !== value && [LEVEL, ...names].includes(value)) select.value = value;
}

byId("beside").addEventListener("change", () => {
  if (page.status && page.series) showCourse(page.status, page.series);
});

/** Once a second: how old the verdict is, and whether there is still a daemon to believe. */
function tick() {
  const { status } = page;
  const silence = (performance.now() - page.heardAt) / 1000;
  const away = page.unreachableSince !== null;
  const age = status?.verdict ? status.verdict.age_seconds + silence : null;
  say(byId("age"), age === null ? "" : `Sampled ${age < 1.5 ? "just now" : `${duration(age)} ago`}`);
  const notice = byId("notice");
  if (away) {
    say(
      notice,
      `loadwatch has not answered since ${timeOfDay(page.unreachableSince)} (${page.trouble}). ` +
        "What you see below is from then; the page keeps asking.",
    );
    say(byId("headline"), "No answer");
    say(byId("detail"), "The daemon does not answer, so nothing is known about this host now.");
    say(byId("culprits"), "");
    document.title = "No answer – loadwatch";
  }
  notice.hidden = !away;
  const state = away ? "unreachable" : (status?.state ?? "unknown");
  if (document.body.dataset.state !== state) {
    document.body.dataset.state = state;
    say(byId("announcement"), `${byId("headline").textContent}. ${byId("detail").textContent}`);
  }
}

async function turn() {
  try {
    await ask();
  } catch (error) {
    page.unreachableSince ??= Date.now() / 1000;
    page.trouble = TROUBLES[error.name] ?? error.message;
  }
  tick();
}

for (const choice of document.querySelectorAll('input[name="span"]')) {
  choice.addEventListener("change", () => {
    page.span = choice.value;
    page.curvesAt = -Infinity;
    turn();
  });
}

let timer = null;
function watch() {
  clearInterval(timer);
  // A hidden page costs the host nothing; shown again it asks at once.
  if (document.hidden) return;
  turn();
  timer = setInterval(turn, ASK_EVERY);
}
document.addEventListener("visibilitychange", watch);
setInterval(tick, 1_000);
watch();
