// One job in full: its pictures, and beside them all that is known about it.

const panel = { dialog: byId("panel"), job: null };

/** Of a prompt with more characters only the beginning is shown at first. */
const LONG = 480;

const STEPS = [
  ["accepted", "Accepted"],
  ["submitted", "Submitted"],
  ["started", "Started"],
  ["finished", "Finished"],
  ["published", "Published"],
];

function openPanel(job) {
  panel.job = job;
  panel.dialog.replaceChildren(pictureArea(job), facts(job));
  if (!panel.dialog.open) panel.dialog.showModal();
  panel.dialog.scrollTop = 0; // in a small window the dialog itself scrolls
  byId("panel-title").focus({ preventScroll: true });
  titlePage(job);
}

function titlePage(job) {
  document.title = `${shortened(job.prompt, 60) || titleOf(job)} · Gallery`;
}

function closePanel() {
  panel.job = null;
  panel.dialog.close();
  panel.dialog.replaceChildren();
  document.title = "Gallery · mjwatch";
}

// ---- the pictures

function pictureArea(job) {
  const back = el("button", { type: "button", class: "round back", title: "Close (Esc)", click: leavePanel }, icon("close"));
  back.append(el("span", { class: "unseen" }, "Close"));
  const node = el("section", { class: `stage ${kindOf(job)}`, "aria-label": "Pictures" }, back, ...stepButtons(job), shown(job));
  if (job.pictures) node.style.setProperty("--ratio", sheetRatio(job));
  return node;
}

/** Return the buttons to the job before and after this one. */
function stepButtons(job) {
  const jobs = jobsInOrder();
  const at = jobs.findIndex((one) => one.id === job.id);
  const turn = (side, name, other) =>
    other &&
    el("a", { class: `round ${side}`, href: `#${other.id}`, click: openLinked, title: name }, icon(side),
      el("span", { class: "unseen" }, name));
  const [before, after] = at < 0 ? [] : [jobs[at - 1], jobs[at + 1]];
  return present([turn("left", "Previous job (←)", before), turn("right", "Next job (→)", after)]);
}

function shown(job) {
  const kind = kindOf(job);
  if (kind === "text") return el("div", { class: "words", tabindex: "0" }, withMarks(readableAnswer(job))); // a long text is scrolled with the arrows
  if (kind === "nothing") return reason(job);
  return el("div", { class: `shots shots-${Math.min(job.pictures.length, 4)}` }, job.pictures.map(shot));
}

/** Return width over height of all the pictures together. */
function sheetRatio(job) {
  const [, width, height] = job.pictures[0];
  const one = width && height ? width / height : 1;
  return job.pictures.length === 2 ? one * 2 : one;
}

function shot([name, width, height], index) {
  const number = index + 1;
  const source = fileAddress(panel.job, name);
  const words = pictureName(panel.job, number);
  const open = { type: "button", "data-number": number, click: () => enterPicture(number) };
  if (isPlayed(name)) {
    const video = el("video", { src: source, controls: true, loop: true, playsinline: true, preload: "metadata", "aria-label": words });
    const larger = el("button", { ...open, class: "round larger", title: "Whole window (Enter)" }, icon("larger"), el("span", { class: "unseen" }, `Whole window: ${words}`));
    return el("div", { class: "shot" }, video, larger);
  }
  const image = el("img", { src: source, alt: words, width: width || null, height: height || null, decoding: "async", draggable: "false" });
  image.addEventListener("error", () => image.replaceWith(el("span", { class: "note" }, `${name} is not here yet`)));
  return el("button", { ...open, class: "shot" }, image);
}

function reason(job) {
  const error = job.error ?? {};
  const title = error.title || (error.detail ? stateName(job.state) : reasonOf(job));
  return el(
    "div",
    { class: "reason" },
    icon("warning"),
    el("h3", {}, title),
    error.detail && el("p", {}, withMarks(error.detail)),
    error.needs_human && el("p", {}, "mjwatch sends nothing more until a person acts."),
    error.advice && [el("h4", {}, "What to do"), el("p", {}, withMarks(error.advice))],
    error.retry && el("p", { class: "hint" }, "It may work later: ", el("code", {}, `mjwatch retry ${job.id}`)),
  );
}

// ---- what is known about it

function facts(job) {
  return el(
    "aside",
    { class: "facts", "aria-label": "About this job" },
    el("header", { class: "what" },
      el("h2", { id: "panel-title", tabindex: "-1" }, titleOf(job)),
      el("span", { class: `state ${job.state}` }, stateName(job.state)),
      job.label && el("span", { class: "tag" }, job.label),
      starButton(job)),
    promptOf(job),
    ...followUpsOf(job),
    ...parametersOf(job),
    ...relatedOf(job),
    ...filesOf(job),
    ...timesOf(job),
    ...detailsOf(job),
  );
}

function promptOf(job) {
  if (!job.prompt) return !job.command && el("p", { class: "prompt none" }, "No prompt");
  const rewritten =
    job.echoed && el("details", {}, el("summary", {}, "As Midjourney repeated it"), el("p", {}, withUnbrokenNames(job.echoed)));
  const words = el("p", {}, withUnbrokenNames(job.prompt));
  const unfold = job.prompt.length > LONG && showAllButton(words);
  const beginning = job.is_partial && el("p", { class: "hint" }, "Only the beginning: it comes from a picture's name.");
  return el("div", { class: "prompt" }, words, beginning, copyButton("Copy the prompt", job.prompt), unfold, rewritten);
}

/** Return a button that shows or hides the rest of a long text. */
function showAllButton(words) {
  words.className = "folded";
  const button = el("button", { type: "button", class: "tool copy", "aria-expanded": "false" }, "Show all");
  button.addEventListener("click", () => {
    const folded = words.classList.toggle("folded");
    button.textContent = folded ? "Show all" : "Show less";
    button.setAttribute("aria-expanded", String(!folded));
  });
  return button;
}

function section(title, ...content) {
  return content.length ? [el("h3", {}, title), ...content] : [];
}

function list(pairs) {
  const known = pairs.filter(([, value]) => value);
  return known.length ? [el("dl", {}, known.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]).flat())] : [];
}

function parametersOf(job) {
  const pairs = (job.parameters ?? []).map(([name, value]) => [name, value || "yes"]);
  if (job.seed && !pairs.some(([name]) => name === "seed")) pairs.push(["seed", job.seed]);
  return section("Parameters", ...list(pairs));
}

function relatedOf(job) {
  const parent = store.jobById.get(job.parent);
  const line = [];
  if (parent) line.push(relative(parent, sentence(`${job.action ?? "Follow-up"} of`)));
  else if (job.parent) line.push(el("p", {}, `${job.action ?? "Follow-up"} of `, el("code", {}, job.parent), ", which is not here"));
  const childrenOf = (id) => [...(store.followers.get(id) ?? [])].reverse();
  line.push(...childrenOf(job.id).map((one) => relative(one, titleOf(one))));
  const siblings = job.parent ? childrenOf(job.parent).filter((one) => one !== job) : [];
  const beside = siblings.length ? [el("h4", {}, "From the same pictures"), ...siblings.map((one) => relative(one, titleOf(one)))] : [];
  return section("Family", ...line, ...beside);
}

function relative(job, how) {
  const image = job.thumb && el("img", { src: thumbAddress(job), alt: "", decoding: "async" });
  const words = el("span", {}, el("b", {}, how), " ", withUnbrokenNames(shortened(job.prompt, 70) || titleOf(job)));
  return el("a", { class: "relative", href: `#${job.id}`, click: openLinked }, image || el("i", {}, icon(job.state === "done" ? "play" : "warning")), words);
}

function timesOf(job) {
  const times = job.times ?? {};
  const pairs = STEPS.map(([key, name]) => [name, times[key] && wholeFormat.format(Date.parse(times[key]))]);
  const [from, to] = [Date.parse(times.submitted), Date.parse(times.finished)];
  if (to >= from) pairs.push(["Duration", lengthOf(to - from)]);
  return section("Times", ...list(pairs));
}

function detailsOf(job) {
  const id = el("span", { class: "copied" }, el("code", {}, job.id), copyButton("Copy the job's id", job.id));
  return section("Details", ...list([
    ["Job", id],
    ["Prompt file", job.source],
    ["Midjourney's job id", job.uuid],
    ["Matched by", job.matched_by],
  ]));
}

// ---- copying

function copyButton(name, text, label = "Copy") {
  const words = el("span", { "aria-live": "polite" }, label);
  const button = el("button", { type: "button", class: "tool copy", title: name }, icon("copy"), words);
  const say = (sign, word) => {
    button.firstChild.replaceWith(icon(sign));
    words.textContent = word;
  };
  button.addEventListener("click", async () => {
    const done = await copyText(text, button);
    say(done ? "check" : "warning", done ? "Copied" : "The browser does not allow it");
    setTimeout(() => say("copy", label), 1600);
  });
  return button;
}

/** Copy text to the clipboard; use the old way where the browser allows the new one only for https. */
async function copyText(text, near) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = el("textarea", { class: "unseen", readonly: true });
    area.value = text;
    near.after(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    near.focus();
    return done;
  }
}
