// What happened: alerts and maintenance windows in one table, newest first, and what the alerts were worth.

import { byId, h, known, say, whenChanged } from "./dom.js";
import { dateAndTime, digits, duration, horizonName, percent, signalName, signed } from "./format.js";

const OUTCOMES = { confirmed: "confirmed", false: "false alarm" };
const KINDS = { high_load: "High load", anomaly: "Unlike itself" };

export function showAlerts(status) {
  const windows = status.maintenance.map((window) => ({ ...window, verdict: "maintenance" }));
  const events = [...status.alerts, ...windows].sort(
    (one, other) => other.start_timestamp - one.start_timestamp,
  );
  whenChanged(byId("alerts"), events, () => {
    if (!events.length) return [h("p", { class: "empty" }, "No alerts and no maintenance so far.")];
    const head = h(
      "tr",
      {},
      ...["When", "What", "Lasted", "Why", "Outcome"].map((name) => h("th", { scope: "col" }, name)),
    );
    return [
      h(
        "table",
        {},
        h("caption", { class: "unseen" }, "Alerts and maintenance, newest first"),
        h("thead", {}, head),
        h("tbody", {}, ...events.map(eventRow)),
      ),
    ];
  });
  const { budget_per_week: budget, alerts_this_week: counts, false_per_week: wrong } = status.worth;
  const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const sentences = known(budget) ? [`${all} of the ${budget} alerts that a week allows, in the last seven days.`] : [];
  for (const verdict of Object.keys(wrong)) {
    if (known(wrong[verdict])) sentences.push(`${KINDS[verdict]}: ${digits(wrong[verdict])} false a week so far.`);
  }
  say(byId("worth"), sentences.join(" "));
}

function eventName({ verdict, horizon_seconds: horizon, peak }) {
  if (verdict === "maintenance") return "Maintenance";
  const ahead = horizon ? `, ${horizonName(horizon).toLowerCase()}` : "";
  return `${KINDS[verdict]}${ahead}${known(peak) ? ` (peak ${percent(peak)})` : ""}`;
}

function eventRow(event) {
  const lasted =
    event.end_timestamp === null ? "still on" : duration(event.end_timestamp - event.start_timestamp);
  const what = eventName(event);
  const reasons = event.contributions?.map(({ signal, value }) => `${signalName(signal)} ${signed(value)}`);
  const why = event.why ?? ([reasons.join(", "), event.culprits?.words].filter(Boolean).join("; ") || "–");
  const early = event.lead_time_seconds ? `, ${duration(event.lead_time_seconds)} early` : "";
  const outcome =
    event.verdict === "maintenance" ? "planned" : `${OUTCOMES[event.outcome] ?? "not known yet"}${early}`;
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, dateAndTime(event.start_timestamp)),
    h("td", {}, h("span", { class: `mark ${event.verdict}`, "aria-hidden": "true" }), what),
    ...[lasted, why, outcome].map((text) => h("td", {}, text)),
  );
}
