// Follow-ups without a server: they are chosen here, then saved as a prompt file for the inbox or copied as commands.

const PICKS = "mjwatch.picks";
const AGAIN = "again";
const LINK = /https?:\/\/\S+/g;
const WILDCARD = /(?<![_\\])__(?=[^\s_])(?:(?!__)[^\n{}\\]){1,100}(?<![\s_])__(?!_)/g;
const CHOICE = /(?<!\\)\{[^{}]*,[^{}]*\}/;

/** The chosen follow-ups, each as "<job> <action>", in the order in which they were chosen. */
const picks = new Set(keptList("sessionStorage", PICKS));

const ROWS = [/^U\d$/, /^V\d$/, /^(?:vary|upscale)/, /^(?:zoom|square)/, /^pan/, /^(?:animate|extend)/, /^(?:reroll|again)$/];
const ARROW_OF = { "pan left": "Pan ←", "pan right": "Pan →", "pan up": "Pan ↑", "pan down": "Pan ↓" };
const actionName = (action) => ARROW_OF[action] ?? sentence(action);

/** Return what can be asked of a job: what its message has buttons for, and the same once more. */
function actionsOf(job) {
  return [...(job.actions ?? []), ...(canRunAgain(job) ? [AGAIN] : [])];
}

/** Return whether the entry has all that the job was made from: pictures of the prompt file are not in it. */
function canRunAgain(job) {
  if (job.is_partial) return false; // the name of a picture holds only the beginning of its prompt
  const wasRefused = job.state === "rejected" || (job.error && !job.error.retry);
  if (wasRefused || !job.prompt) return false;
  if (job.action) return store.jobById.get(job.parent)?.prompt === job.prompt;
  const links = (text) => (text ?? "").match(LINK)?.length ?? 0;
  return !job.command && links(job.echoed) <= links(job.prompt);
}

/** Return the chosen follow-ups by job, without those of jobs that are not here. */
function pickedJobs() {
  const found = new Map();
  for (const pick of picks) {
    const [id, action] = [pick.slice(0, pick.indexOf(" ")), pick.slice(pick.indexOf(" ") + 1)];
    const job = store.jobById.get(id);
    if (job && actionsOf(job).includes(action)) found.set(job, [...(found.get(job) ?? []), action]);
  }
  return [...found];
}

function setPicks(change) {
  change(picks);
  keepList("sessionStorage", PICKS, [...picks]);
  showPicks();
}

// ---- the choice

function followUpsOf(job) {
  const actions = actionsOf(job);
  const rows = ROWS.map((row) => actions.filter((action) => row.test(action))).filter((row) => row.length);
  const others = actions.filter((action) => !ROWS.some((row) => row.test(action)));
  const lines = [...rows, others].filter((row) => row.length).map((row) => el("div", { class: "chips" }, row.map((action) => chip(job, action))));
  return section("Make more", ...lines, ...(lines.length ? [el("div", { class: "picked", id: "picked" }, pickBar() ?? pickHint())] : []));
}

const pickHint = () => el("p", { class: "hint" }, "Choose what Midjourney is to make, then save it as a file for the inbox.");

function chip(job, action) {
  const pick = `${job.id} ${action}`;
  const before = (store.followers.get(job.id) ?? []).some((one) => one.action === action && one.state === "done");
  const title = action === AGAIN ? "The same prompt once more" : before ? "It was made before" : null;
  const toggle = ({ currentTarget }) => {
    setPicks(() => picks.delete(pick) || picks.add(pick));
    currentTarget.setAttribute("aria-pressed", String(picks.has(pick)));
  };
  const button = el("button", { type: "button", class: "chip", "aria-pressed": String(picks.has(pick)), "data-pick": pick, title, click: toggle }, actionName(action));
  if (before) button.append(icon("check"), el("span", { class: "unseen" }, " (made before)"));
  return button;
}

/** Show the choice in the panel, where it can be changed, and at the bottom of the wall. */
function showPicks() {
  for (const button of document.querySelectorAll(".chip")) button.setAttribute("aria-pressed", String(picks.has(button.dataset.pick)));
  byId("picked")?.replaceChildren(pickBar() ?? pickHint());
  showTray();
}

/** Return the choice in words, and what can be done with it; null if nothing is chosen. */
function pickBar() {
  const jobs = pickedJobs();
  if (!jobs.length) return null;
  const lines = jobs.slice(0, 3).map(([job, actions]) =>
    el("li", {}, el("b", {}, actions.map(actionName).join(", ")), " of ", withUnbrokenNames(shortened(job.prompt, 44) || titleOf(job))));
  if (jobs.length > lines.length) lines.push(el("li", {}, `and of ${numberOf(jobs.length - lines.length, "more job")}`));
  return el(
    "div",
    { class: "pick-bar", role: "group", "aria-label": "Chosen follow-ups" },
    el("ul", {}, lines),
    el("p", { class: "buttons-row" },
      el("button", { type: "button", class: "tool primary save-picks", click: savePicks }, icon("download"), "Save as file"),
      copyButton("Copy as commands", commandsOf(jobs), jobs.length > 1 ? "Copy commands" : "Copy command"),
      el("button", { type: "button", class: "tool small", click: () => setPicks(() => picks.clear()) }, "Clear")),
  );
}

// ---- the file and the commands

/** Save the choice as one prompt file. The choice is cleared, so that a second click orders nothing twice. */
function savePicks() {
  const jobs = pickedJobs();
  const name = pickFileName(jobs);
  saveFile(name, promptFile(jobs));
  setPicks(() => picks.clear());
  say(`Saved ${name}. Put it into the inbox: mjwatch then makes what you chose.`);
}

/** Return a name that is valid everywhere. Without ".ready.", which would say that the file arrives by a rename. */
function pickFileName(jobs) {
  const [[job, actions]] = jobs;
  const stem = job.folder.split("/").pop().replace(`-${job.id}`, "");
  const plain = (text) => text.normalize("NFC").replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "");
  const first = plain(stem).slice(0, 40) || "job";
  const what = jobs.length > 1 || actions.length > 3 ? "more" : plain(actions.join("-")).toLowerCase();
  return `${first}-${what}-${stampNow()}.toml`;
}

function promptFile(jobs) {
  const tables = jobs.flatMap(([job, actions]) => {
    const own = actions.filter((action) => action !== AGAIN);
    return [...(own.length ? [followUpTable(job.id, own)] : []), ...(actions.includes(AGAIN) ? [againTable(job)] : [])];
  });
  const head = `# Chosen in the gallery at ${new Date().toISOString()}. Put this file into the inbox.\n`;
  return head + (tables.length > 1 ? tables.map((table) => `\n[[jobs]]\n${table}`).join("") : tables[0]);
}

const followUpTable = (parent, actions) => `parent = ${tomlText(parent)}\naction = ${actions.length > 1 ? `[${actions.map(tomlText).join(", ")}]` : tomlText(actions[0])}\n`;

/** Return a table for the same job again. Its text was accepted before and is expanded: it is sent as it is. */
function againTable(job) {
  if (job.action) return followUpTable(job.parent, [job.action]);
  const label = job.label ? `label = ${tomlText(job.label)}\n` : "";
  return `prompt = ${tomlText(plainText(job.prompt))}\n${label}force = true\n`;
}

/** Return a prompt so that a prompt file means just this text: nothing in it is a choice or a wildcard. */
function plainText(prompt) {
  const text = prompt.replace(WILDCARD, "\\$&");
  return CHOICE.test(text) ? text.replace(/(?<!\\)[{}]/g, "\\$&") : text;
}

/** Return a TOML string: JSON's escapes are TOML's, but for two characters. */
const tomlText = (text) => JSON.stringify(text.replace(/\p{Surrogate}/gu, "\ufffd")).replaceAll("\x7f", "\\u007f");

/** Return the commands that do the same where mjwatch is installed. */
function commandsOf(jobs) {
  return jobs.flatMap(([job, actions]) => {
    const own = actions.filter((action) => action !== AGAIN);
    return [...(own.length ? [actCommand(job.id, own)] : []), ...(actions.includes(AGAIN) ? [againCommand(job)] : [])];
  }).join("\n");
}

const actCommand = (id, actions) => `mjwatch act ${[id, ...actions].map(shellWord).join(" ")}`;

/** Return a word of a command. Double quotes mean the same in every shell, but somebody else may have edited a manifest. */
function shellWord(word) {
  if (/^\w[\w.-]*$/.test(word)) return word;
  return /^\w[\w .-]*$/.test(word) ? `"${word}"` : shellText(word);
}

function againCommand(job) {
  if (job.action) return actCommand(job.parent, [job.action]);
  if (job.error?.retry) return `mjwatch retry ${job.id}`;
  return `mjwatch submit --force -- ${shellText(plainText(job.prompt))}`;
}

/** Return a text as one word of a shell. Control characters could end what a terminal takes as pasted. */
const shellText = (text) => `'${text.replace(/\p{Cc}+/gu, " ").replaceAll("'", "'\\''")}'`;
