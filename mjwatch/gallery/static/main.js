// Events of the page: data arrive, the address names a job, keys are pressed.

const TOGETHER = 300;

let due = 0;

/** Show new data in a moment, together with what arrives until then. */
function scheduleUpdate() {
  due ||= setTimeout(update, TOGETHER);
}

function update() {
  clearTimeout(due);
  due = 0;
  buildLists();
  updateChoices();
  apply();
  showTray();
  if (!panel.job) showAddressed();
}

window.gallery = Object.freeze({
  index({ chunks }) {
    if (store.count !== null && chunks < store.count) store.chunks.clear(); // the gallery was rebuilt
    store.count = chunks;
  },
  jobs(number, jobs) {
    if (storeChunk(number, jobs) && performance.getEntriesByName("gallery:shown").length) scheduleUpdate();
  },
  status: showService,
});

// ---- the job that the address names

/** Show the job that the address names after #, or none. */
function showAddressed() {
  const job = store.jobById.get(decodeURIComponent(location.hash.slice(1)));
  if (job && job !== panel.job) openPanel(job);
  else if (!job && panel.dialog.open) closePanel();
}

/** Return whether a click only opens a link here; other clicks are left to the browser. */
const isPlain = (event) => !(event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);

/** Open a card's job. The browser's Back closes it again: all jobs opened in a row are one step in the history. */
function openCard(event) {
  const card = event.target.closest(".card");
  if (!card || !isPlain(event)) return;
  event.preventDefault();
  if (choice.isOn) return toggleChosen(wall.jobs[Number(card.dataset.index)]);
  const address = card.getAttribute("href");
  if (history.state?.besideWall) history.replaceState(history.state, "", address);
  else history.pushState({ besideWall: true }, "", address);
  showAddressed();
}

/** Follow a link from one job to another, without a new step in the history. */
function openLinked(event) {
  if (!isPlain(event)) return;
  event.preventDefault();
  history.replaceState(history.state, "", event.currentTarget.getAttribute("href"));
  showAddressed();
}

/** Go back to the wall, to the card of the job that was open. */
function leavePanel() {
  const at = wall.jobs.findIndex((job) => job.id === panel.job?.id);
  history.replaceState(history.state, "", location.pathname + location.search);
  closePanel();
  if (at >= 0) focusCard(at);
}

// ---- keys

const ARROWS = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"]);

function handleKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (compare.dialog.open) return handleInCompare(event);
  const handled = panel.dialog.open ? handleInPanel(event) : handleOnWall(event);
  if (handled) event.preventDefault();
}

function handleInPanel({ key, target }) {
  if (key === "Escape" && panel.alone) showAlone(0);
  else if (key === "Escape") leavePanel();
  else if (target.closest("video, textarea")) return false;
  else if (key === "f") panel.dialog.querySelector(".star").click();
  else if (/^[1-4]$/.test(key)) showAlone(panel.alone === Number(key) ? 0 : Number(key));
  else if (key === "ArrowLeft" || key === "ArrowRight") step(key === "ArrowLeft" ? "left" : "right");
  else return false;
  return true;
}

/** Show the next picture if a single one is shown, else the next job. */
function step(side) {
  const many = panel.job.pictures?.length ?? 0;
  if (panel.alone) showAlone(((panel.alone - 1 + (side === "left" ? many - 1 : 1)) % many) + 1);
  else panel.dialog.querySelector(`.round.${side}`)?.click();
}

function handleOnWall({ key, target }) {
  const typing = target.closest("input, select, textarea");
  if (key === "Escape") return leaveSearch(target);
  if (typing) return typing === fields.words && key === "ArrowDown" && focusWall();
  if (key === "/") fields.words.focus();
  else if (key === "f" && wall.cards.contains(target)) setFavourites([wall.jobs[wall.current]], !isFavourite(wall.jobs[wall.current]));
  else if (key === "x" && wall.cards.contains(target)) toggleChosen(wall.jobs[wall.current]);
  else if (ARROWS.has(key) || (wall.cards.contains(target) && (key === "Home" || key === "End"))) return focusWall(key);
  else return false;
  return true;
}

function focusWall(key) {
  if (!wall.jobs.length) return false;
  if (key) move(key);
  else focusCard(wall.current);
  return true;
}

/** Escape clears the search, then moves the focus to the wall. */
function leaveSearch(target) {
  if (service.box.open) service.box.open = false;
  else if (choice.isOn && target !== fields.words) endChoice();
  else if (target === fields.words && target.value) {
    target.value = "";
    apply();
  } else if (target === fields.words) return focusWall();
  else return false;
  return true;
}

// ---- start

function listen() {
  listenToFields();
  listenToFavourites();
  listenToChoice();
  listenToJump();
  document.addEventListener("keydown", handleKey);
  document.addEventListener("click", ({ target }) => !service.box.contains(target) && (service.box.open = false));
  panel.dialog.addEventListener("cancel", (event) => event.preventDefault()); // handleKey() handles Escape
  panel.dialog.addEventListener("click", (event) => event.target === panel.dialog && leavePanel());
  window.addEventListener("hashchange", showAddressed);
  wall.cards.addEventListener("click", openCard);
  window.addEventListener("scroll", draw, { passive: true });
  wall.cards.addEventListener("focusin", ({ target }) => {
    const at = Number(target.closest("[data-index]")?.dataset.index);
    if (at >= 0 && at !== wall.current) focusCard(at, false);
  });
  new ResizeObserver(() => wall.place.clientWidth !== wall.width && showJobs(wall.jobs)).observe(wall.place);
}

listen();
showTray();
loadAll().then(keepFresh);
