// Numbers and times in words for people: per cent on the page, ratios everywhere else.

const WORDS = {
  cpu: "CPU",
  tcp: "TCP",
  udp: "UDP",
  oom: "OOM",
  iowait: "I/O wait",
  io: "I/O",
  per: "per",
  max: "busiest",
};

const clock = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const moment = new Intl.DateTimeFormat([], {
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});

/** The name of a signal as people read it: "cpu_max_core" is "CPU busiest core". */
export function signalName(name) {
  const words = signalInSentence(name);
  return words[0].toUpperCase() + words.slice(1);
}

/** The same where it does not begin: "memory pressure", but "CPU". */
export function signalInSentence(name) {
  return name
    .split("_")
    .map((word) => WORDS[word] ?? word)
    .join(" ");
}

/** A share in per cent, exact near the ends where it matters: 0 % and 100 % are really that. */
export function percent(share) {
  if (share === null || share === undefined) return "–";
  if (share > 0 && share < 0.001) return "<0.1 %";
  if (share > 0.999 && share < 1) return ">99.9 %";
  const exact = (share > 0 && share < 0.0995) || (share >= 0.985 && share < 1);
  return `${(share * 100).toFixed(exact ? 1 : 0)} %`;
}

/** A value with the unit it is sampled in. */
export function quantity(value, unit) {
  if (value === null || value === undefined) return "–";
  if (unit === "ratio") return percent(value);
  if (unit === "level") return percent(Math.max(0, value));
  if (unit === "bytes") return `${scaled(value)}B`;
  if (unit === "bytes_per_second") return `${scaled(value)}B/s`;
  if (unit === "per_second") return `${scaled(value)}/s`;
  if (unit === "seconds") return value < 1 ? `${digits(value * 1000)} ms` : `${digits(value)} s`;
  return unit === "connections" ? scaled(value).trim() : digits(value);
}

function scaled(value) {
  const step = [
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ].find(([size]) => value >= size);
  return step ? `${digits(value / step[0])} ${step[1]}` : `${digits(value)} `;
}

/** Three significant digits. */
export function digits(value) {
  return value.toLocaleString([], { maximumSignificantDigits: 3 });
}

/** How much a signal moved a verdict: in log odds towards high load, as part of the score of an anomaly. */
export const weight = (verdict, value) => (verdict === "anomaly" ? percent(value) : signed(value));

/** Names in a sentence: "CPU, memory and disk". */
export const listed = (names) =>
  names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : (names[0] ?? "");

function signed(value) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
}

const day = new Intl.DateTimeFormat([], { weekday: "short", day: "numeric" });
const dayAndTime = new Intl.DateTimeFormat([], {
  weekday: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});
const SPANS = { hour: "last hour", six_hours: "last six hours", day: "last day", week: "last week" };

export const spanName = (span) => SPANS[span];
export const timeOfDay = (timestamp) => clock.format(timestamp * 1000);
export const dateAndTime = (timestamp) => moment.format(timestamp * 1000);

/** A moment within a span: the day is said where there is more than one. */
export const momentOf = (timestamp, span) =>
  (span === "week" || span === "day" ? dayAndTime : clock).format(timestamp * 1000);
/** A mark of a time axis: the day at its beginning, else the time. */
export function tickOf(timestamp) {
  const time = timeOfDay(timestamp);
  return time === "00:00" ? day.format(timestamp * 1000) : time;
}

/** A duration in its largest fitting unit. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  for (const [size, unit] of [
    [86400, "day"],
    [3600, "hour"],
    [60, "minute"],
  ]) {
    if (seconds >= 2 * size || seconds === size) return plural(Math.round(seconds / size), unit);
  }
  return plural(Math.round(seconds), "second");
}

export function horizonName(seconds) {
  return seconds === 0 ? "Now" : `Within ${duration(seconds)}`;
}

function plural(count, unit) {
  return `${count.toLocaleString()} ${unit}${count === 1 ? "" : "s"}`;
}
