// The state of the service: a light with a word, details on a click, and an alert if a person must act.

const service = { box: byId("service"), word: byId("service-word"), more: byId("service-more"), alert: byId("alert") };

/** Show a status as `status.json` has it; null if there has never been one. */
function showService(status) {
  service.box.hidden = !status;
  const why = status && alertOf(status);
  service.alert.hidden = !why;
  byId("alert-words").replaceChildren(...(why ?? []));
  if (!status) return;
  service.box.dataset.state = lightOf(status);
  service.word.textContent = wordOf(status);
  service.more.replaceChildren(...detailsOfService(status));
}

function lightOf(status) {
  if (status.service !== "running") return "stopped";
  if (alertOf(status) || status.sending_limit) return "held";
  return runningJobs(status) ? "busy" : "idle";
}

const queuedJobs = (status) => status.jobs?.queued ?? 0;
const jobsInDoubt = (status) => status.jobs?.in_doubt ?? 0;
const runningJobs = (status) => Object.values(status.jobs ?? {}).reduce((sum, n) => sum + n, 0) - queuedJobs(status) - jobsInDoubt(status);

function wordOf(status) {
  if (status.service !== "running") return "Stopped";
  const counts = [];
  for (const [number, word] of [[runningJobs(status), "running"], [queuedJobs(status), "queued"], [jobsInDoubt(status), "in doubt"]]) {
    if (number) counts.push(`${number.toLocaleString()} ${word}`);
  }
  const held = status.paused ? ["Paused"] : status.sending_limit ? ["Waiting for a limit"] : [];
  const parts = [...held, ...counts];
  return parts.join(" · ") || "Idle";
}

/** Return what a person must attend to, and how to fix it; null if there is nothing. */
function alertOf(status) {
  const parts = [
    ["Paused", status.paused, status.mend],
    ["Not connected", status.paused ? null : status.trouble],
    ["Inbox problem", status.inbox_trouble],
    ["Journal problem", status.journal_trouble],
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
  rows.push(...leftInInbox(status.left));
  rows.push(["As of", wholeFormat.format(Date.parse(status.at))]);
  const nothing = status.service === "running" ? "No job is running." : "mjwatch is not running. Queued jobs are kept.";
  return [live.length ? el("ul", { class: "live" }, live) : el("p", {}, nothing), ...list(rows)];
}

/** Return a row for each reason why files are left in the inbox, with the first few names. */
function leftInInbox(left) {
  return Object.entries(left?.counts ?? {}).map(([why, count]) => {
    const names = (left.some ?? []).filter((file) => file.why === why).slice(0, 5).map((file) => file.path);
    const more = count > names.length ? ` and ${count - names.length} more` : "";
    return ["Left in the inbox", `${names.join(", ")}${more}: ${why}`];
  });
}

function liveJob(job) {
  const state = job.state.replace("_", " ");
  const percent = typeof job.percent === "number" ? ` ${job.percent} %` : "";
  return el("li", {}, el("b", {}, state + percent), ` ${shortened(job.prompt, 90) || job.action || job.command}`);
}
