// The state of the service: a light with a word, details on a click, and an alert if a person must act.

const service = { box: byId("service"), word: byId("service-word"), more: byId("service-more"), alert: byId("alert") };

// Heartbeats without a new version after which the service counts as dead; this page looks for one now and then.
const LOST_AFTER = 1.9;

// The version of the status that is shown, and when it was written; one that came while this page was open, when it came.
const shownStatus = { at: null, since: 0 };

/** Show a status as `status.json` has it; null if there has never been one. */
function showService(status) {
  service.box.hidden = !status;
  if (status && status.at !== shownStatus.at) noteArrival(status.at);
  const why = status && alertOf(status);
  service.alert.hidden = !why;
  byId("alert-words").replaceChildren(...(why ?? []));
  if (!status) return;
  service.box.dataset.state = lightOf(status);
  service.word.textContent = wordOf(status);
  service.more.replaceChildren(...detailsOfService(status));
}

/** Note a version. This device's clock may be wrong: it is compared with the service's clock for the first version only. */
function noteArrival(at) {
  shownStatus.since = shownStatus.at ? Date.now() : Math.min(Date.parse(at), Date.now());
  shownStatus.at = at;
}

/** Return whether a service that should be running has shown no sign of life for too long. */
function isLost({ service, at, expected_by: expectedBy }) {
  const heartbeat = Date.parse(expectedBy ?? "") - Date.parse(at);
  return service === "running" && Date.now() > shownStatus.since + LOST_AFTER * heartbeat;
}

/** Return why the service may be dead; null if it is not. */
function lostText(status) {
  if (!isLost(status)) return null;
  return `since ${wholeFormat.format(Date.parse(status.at))}: mjwatch has died, the sync is late, or the clock of this device is wrong`;
}

const waitsForHours = (status) => queuedJobs(status) > 0 && Date.parse(status.quiet_until ?? "") > Date.now();

function lightOf(status) {
  if (status.service !== "running") return "stopped";
  if (alertOf(status) || status.sending_limit || waitsForHours(status)) return "held";
  return runningJobs(status) ? "busy" : "idle";
}

const queuedJobs = (status) => status.jobs?.queued ?? 0;
const jobsInDoubt = (status) => status.jobs?.in_doubt ?? 0;
const runningJobs = (status) => Object.values(status.jobs ?? {}).reduce((sum, n) => sum + n, 0) - queuedJobs(status) - jobsInDoubt(status);

function wordOf(status) {
  if (status.service !== "running") return "Stopped";
  if (isLost(status)) return "No sign of life";
  const counts = [];
  for (const [number, word] of [[runningJobs(status), "running"], [queuedJobs(status), "queued"], [jobsInDoubt(status), "in doubt"]]) {
    if (number) counts.push(`${number.toLocaleString()} ${word}`);
  }
  const parts = [...heldWord(status), ...counts];
  return parts.join(" · ") || "Idle";
}

/** Return why prompts are not sent, in a list of at most one word. */
function heldWord(status) {
  if (status.paused) return ["Paused"];
  if (status.sending_limit) return ["Waiting for a limit"];
  if (waitsForHours(status)) return ["Waiting for its hours"];
  return (status.troubles ?? []).slice(0, 1).map(titleOfTrouble);
}

const TROUBLES = {
  journal: "Journal problem",
  paused: "Paused",
  owner: "Inbox problem",
  inbox: "Inbox problem",
  outbox: "Outbox problem",
  gateway: "Not connected",
  limit: "Waiting for a limit",
  download: "Download problem",
  clock: "Wrong clock",
};

const titleOfTrouble = ({ kind }) => TROUBLES[kind] ?? "Problem";

/** Return a trouble as a title and lines: what is wrong and since when, and what to do. */
function linesOfTrouble(trouble) {
  const at = Date.parse(trouble.since ?? "");
  const since = at ? ` (since ${wholeFormat.format(at)})` : "";
  return [titleOfTrouble(trouble), `${trouble.sentence}${since}`, trouble.remedy];
}

/** Return what a person must attend to, and how to fix it; null if there is nothing. */
function alertOf(status) {
  const parts = [
    ["No sign of life", lostText(status)],
    ...(status.troubles ?? []).map(linesOfTrouble),
  ].filter(([, why]) => why);
  const alerts = parts.flatMap(([title, ...lines]) => [el("h2", {}, title), ...present(lines).map((line) => el("p", {}, withMarks(sentence(line))))]);
  alerts.push(...(status.held ?? []).flatMap(heldResult));
  return alerts.length ? alerts : null;
}

const messageLink = (link) => (link.startsWith("https://discord.com/channels/") ? el("a", { href: link, target: "_blank", rel: "noopener noreferrer" }, link) : link);

/** Return what a person needs to settle whose a result is: its message, and the commands to copy. */
function heldResult(result) {
  const jobs = result.jobs.length ? `of job ${result.jobs.join(" or ")}, or of none` : "of no job";
  return [
    el("h2", {}, "Whose result is this?"),
    el("p", {}, `${result.prompt ?? "A result"} may be ${jobs}: `, messageLink(result.link), ". Then run:"),
    ...result.commands.map((command) => el("p", {}, el("code", {}, command))),
  ];
}

function detailsOfService(status) {
  const live = (status.live ?? []).map(liveJob);
  const cap = status.max_per_day ? ` of ${status.max_per_day}` : "";
  const rows = [["Sent in 24 hours", `${status.sent_in_24h ?? 0}${cap}`]];
  for (const [limit, title] of [[status.sending_limit, "Sending waits until"], [status.reading_limit, "Reading waits until"]]) {
    if (limit) rows.push([title, `${wholeFormat.format(Date.parse(limit.until))}: ${limit.why}`]);
  }
  if (status.capped_until) rows.push(["Next job may be sent", wholeFormat.format(Date.parse(status.capped_until))]);
  if (status.quiet_until) rows.push(["Prompts wait until", `${wholeFormat.format(Date.parse(status.quiet_until))}: [pace] run_between`]);
  rows.push(...leftInInbox(status.left));
  rows.push(["As of", wholeFormat.format(Date.parse(status.at))]);
  const nothing = status.service === "running" ? "No job is running." : "mjwatch is not running. Queued jobs are kept.";
  return [live.length ? el("ul", { class: "live" }, live) : el("p", {}, nothing), ...waitingJobs(status), ...list(rows)];
}

/** Return a row for each reason why files are left in the inbox, with the first few names. */
function leftInInbox(left) {
  return Object.entries(left?.counts ?? {}).map(([why, count]) => {
    const names = (left.some ?? []).filter((file) => file.why === why).slice(0, 5).map((file) => file.path);
    const more = count > names.length ? ` and ${count - names.length} more` : "";
    return ["Left in the inbox", `${names.join(", ")}${more}: ${why}`];
  });
}

/** Return a list of the queued jobs that the status names, and how many more there are. */
function waitingJobs(status) {
  const jobs = status.waiting ?? [];
  if (!jobs.length) return [];
  const more = queuedJobs(status) - jobs.length;
  const lines = jobs.map((job) => {
    const until = Date.parse(job.not_before ?? "") > Date.now() ? ` not before ${wholeFormat.format(Date.parse(job.not_before))}` : "";
    return el("li", {}, el("b", {}, (job.action ?? "") + until), ` ${shortened(job.prompt, 90) || job.command}`);
  });
  if (more > 0) lines.push(el("li", { class: "hint" }, `and ${more.toLocaleString()} more`));
  return [el("h2", { class: "waits" }, "Queued"), el("ul", { class: "live" }, lines)];
}

function liveJob(job) {
  const state = job.state.replace("_", " ");
  const percent = typeof job.percent === "number" ? ` ${job.percent} %` : "";
  return el("li", {}, el("b", {}, state + percent), ` ${shortened(job.prompt, 90) || job.action || job.command}`);
}
