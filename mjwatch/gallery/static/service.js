// What the service does now: a lamp with a word, more on a click, and an alert where a person is needed.

const service = { box: byId("service"), word: byId("service-word"), more: byId("service-more"), alert: byId("alert") };

/** Show a status as `status.json` has it; null if there was never one. */
function showService(status) {
  service.box.hidden = !status;
  const why = status && alertOf(status);
  service.alert.hidden = !why;
  byId("alert-words").replaceChildren(...(why ?? []));
  if (!status) return;
  service.box.dataset.state = lampOf(status);
  service.word.textContent = wordOf(status);
  service.more.replaceChildren(...moreOf(status));
}

function lampOf(status) {
  if (status.service !== "running") return "stopped";
  if (alertOf(status)) return "held";
  return atWork(status) ? "busy" : "idle";
}

const waiting = (status) => status.jobs?.queued ?? 0;
const doubtful = (status) => status.jobs?.in_doubt ?? 0;
const atWork = (status) => Object.values(status.jobs ?? {}).reduce((sum, n) => sum + n, 0) - waiting(status) - doubtful(status);

function wordOf(status) {
  if (status.service !== "running") return "Stopped";
  const counts = [];
  for (const [number, word] of [[atWork(status), "running"], [waiting(status), "queued"], [doubtful(status), "in doubt"]]) {
    if (number) counts.push(`${number.toLocaleString()} ${word}`);
  }
  const said = status.paused ? ["Paused", ...counts] : counts;
  return said.join(" · ") || "Idle";
}

/** What a person should see to, and what mends it. */
function alertOf(status) {
  const said = [
    ["Paused", status.paused, status.mend],
    ["Not connected", status.paused ? null : status.trouble],
    ["The inbox", status.inbox_trouble],
  ].filter(([, why]) => why);
  return said.length
    ? said.flatMap(([title, ...lines]) => [el("h2", {}, title), ...present(lines).map((line) => el("p", {}, marked(sentence(line))))])
    : null;
}

function moreOf(status) {
  const live = (status.live ?? []).map(liveJob);
  const cap = status.max_per_day ? ` of ${status.max_per_day}` : "";
  const rows = [["Sent in 24 hours", `${status.sent_in_24h ?? 0}${cap}`]];
  if (status.capped_until) rows.push(["The next one may go", wholeFormat.format(Date.parse(status.capped_until))]);
  rows.push(["As of", wholeFormat.format(Date.parse(status.at))]);
  const nothing = status.service === "running" ? "Nothing is at work." : "mjwatch does not run. What waits is kept.";
  return [live.length ? el("ul", { class: "live" }, live) : el("p", {}, nothing), ...list(rows)];
}

function liveJob(job) {
  const state = job.state.replace("_", " ");
  const percent = typeof job.percent === "number" ? ` ${job.percent} %` : "";
  return el("li", {}, el("b", {}, state + percent), ` ${shortened(job.prompt, 90) || job.action || job.command}`);
}
