// Several jobs at once: choosing them on the wall, and the tray at the bottom with what can be done with them.

const MOST_COMPARED = 4;

const choice = { isOn: false, ids: new Set(), button: byId("choose"), tray: byId("tray") };

const chosenJobs = () => [...choice.ids].map((id) => store.jobById.get(id)).filter(Boolean);

function startChoice() {
  choice.isOn = true;
  showChoice();
}

function endChoice() {
  choice.isOn = false;
  choice.ids.clear();
  showChoice();
}

/** Choose a job, or take it out again; the first one starts the choice. */
function toggleChosen(job) {
  choice.isOn = true;
  if (!choice.ids.delete(job.id)) choice.ids.add(job.id);
  showChoice();
}

function showChoice() {
  choice.button.setAttribute("aria-pressed", String(choice.isOn));
  choice.button.classList.toggle("set", choice.isOn);
  document.body.classList.toggle("choosing", choice.isOn);
  for (const card of wall.cards.querySelectorAll(".card")) showMarks(card, wall.jobs[Number(card.dataset.index)]);
  showTray();
}

/** Show on a card whether its job is a favourite and whether it is chosen. */
function showMarks(card, job) {
  const [star, tick] = [isFavourite(job), choice.ids.has(job.id)];
  const now = `${star} ${tick}`;
  if (card.dataset.marks === now || (!card.dataset.marks && !star && !tick)) return;
  card.dataset.marks = now;
  card.querySelector(".marks")?.remove();
  const mark = (name, words) => [icon(name), el("span", { class: "unseen" }, words)];
  card.querySelector(".frame").append(
    el("span", { class: "marks" }, tick && el("span", { class: "tick" }, mark("check", "Selected")), star && el("span", { class: "starred" }, mark("star", "Favourite"))));
}

/** Show the tray while jobs or follow-ups are chosen. */
function showTray() {
  const parts = present([choice.isOn && choiceBar(), pickBar()]);
  const had = choice.tray.contains(document.activeElement) && document.activeElement.dataset.name;
  choice.tray.replaceChildren(...parts);
  choice.tray.hidden = parts.length === 0;
  document.body.classList.toggle("has-tray", parts.length > 0);
  if (had) choice.tray.querySelector(`[data-name="${had}"]`)?.focus();
}

function choiceBar() {
  const jobs = chosenJobs();
  const tool = (name, words, click, more = {}) => el("button", { type: "button", class: "tool small", "data-name": name, click, ...more }, words);
  const all = jobs.length > 0 && jobs.every(isFavourite);
  const count = jobs.length ? `${jobs.length.toLocaleString()} selected` : "Select pictures";
  const compares = jobs.length >= 2 && jobs.length <= MOST_COMPARED;
  return el(
    "div",
    { class: "choice-bar", role: "group", "aria-label": "Selection" },
    el("p", { role: "status" }, el("b", {}, count)),
    el("p", { class: "buttons-row" },
      tool("compare", "Compare", () => openCompare(chosenJobs()), { disabled: !compares, title: "Two to four side by side" }),
      tool("favourite", all ? "No favourites" : "Favourites", () => (setFavourites(jobs, !all), showTray()), { disabled: !jobs.length }),
      jobs.length > 0 && copyButton("Copy the folders' paths", jobs.map(folderPath).join("\n"), "Copy paths"),
      tool("done", "Done", () => (endChoice(), choice.button.focus()))),
  );
}

function listenToChoice() {
  choice.button.addEventListener("click", () => (choice.isOn ? endChoice() : startChoice()));
  byId("compare-close").addEventListener("click", closeCompare);
}

// ---- side by side

const compare = { dialog: byId("compare"), jobs: [], number: 0 };

function openCompare(jobs) {
  compare.jobs = jobs;
  compare.number = 0;
  byId("compare-columns").dataset.count = jobs.length;
  byId("compare-columns").replaceChildren(...jobs.map(compareColumn));
  compare.dialog.showModal();
  byId("compare-title").focus({ preventScroll: true });
}

function closeCompare() {
  compare.dialog.close();
}

function compareColumn(job) {
  const open = (event) => {
    closeCompare();
    event.preventDefault();
    enterJob(`#${job.id}`);
  };
  const words = shortened(job.prompt, 120) || titleOf(job);
  return el("div", { class: "column", role: "group", "aria-label": words },
    el("div", { class: "compared" }, comparedOf(job)),
    el("p", {}, job.action && el("b", {}, `${titleOf(job)} `), el("a", { href: `#${job.id}`, click: open }, words)));
}

function comparedOf(job) {
  if (!job.pictures) return el("p", { class: "note" }, job.text ? shortened(readableAnswer(job), 400) : wholeReason(job));
  const sheet = el("div", { class: `shots shots-${Math.min(job.pictures.length, 4)}` }, comparedPictures(job));
  sheet.style.setProperty("--ratio", sheetRatio(job));
  return sheet;
}

function comparedPictures(job) {
  return job.pictures.map(([name], index) => {
    const source = fileAddress(job, name);
    const alt = pictureName(job, index + 1);
    if (isPlayed(name)) return el("video", { src: source, controls: true, loop: true, playsinline: true, preload: "metadata", "aria-label": alt });
    const image = el("img", { src: source, alt, decoding: "async", draggable: "false" });
    image.addEventListener("error", () => image.replaceWith(el("span", { class: "note" }, `${name} is not here yet`)));
    if (job.pictures.length === 1) return image;
    return el("button", { type: "button", class: "one", "data-number": index + 1, click: () => compareOnly(compare.number === index + 1 ? 0 : index + 1) }, image);
  });
}

/** Show this picture of each job alone, or all of them for 0. */
function compareOnly(number) {
  compare.number = number;
  for (const box of compare.dialog.querySelectorAll(".compared .shots")) {
    const shown = box.querySelector(`[data-number="${number}"]`);
    box.classList.toggle("alone", Boolean(shown));
    for (const one of box.children) one.classList.toggle("chosen", one === shown);
  }
}

/** Keys 1 to 4 show one picture of each job; the browser itself closes the dialog with Escape or Back. */
function handleInCompare({ key }) {
  if (/^[1-4]$/.test(key)) compareOnly(compare.number === Number(key) ? 0 : Number(key));
}
