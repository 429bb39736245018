// The page's life: data arrives, the address names a job, keys are pressed.

const TOGETHER = 300;

let due = 0;

/** New data is shown in a moment, with what else comes until then. */
function soon() {
  due ||= setTimeout(changed, TOGETHER);
}

function changed() {
  clearTimeout(due);
  due = 0;
  arrange();
  offer();
  apply();
  if (!panel.job) follow();
}

window.gallery = Object.freeze({
  index({ chunks }) {
    if (store.count !== null && chunks < store.count) store.chunks.clear(); // it was made anew
    store.count = chunks;
  },
  jobs(number, jobs) {
    if (takeChunk(number, jobs) && performance.getEntriesByName("gallery:shown").length) soon();
  },
  status: showService,
});

// ---- the job that the address names

/** Show the job that stands behind # in the address, or none. */
function follow() {
  const job = store.jobById.get(decodeURIComponent(location.hash.slice(1)));
  if (job && job !== panel.job) openPanel(job);
  else if (!job && panel.dialog.open) closePanel();
}

/** A click that should do more than open a link in its place is the browser's. */
const isPlain = (event) => !(event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);

/** To a card's job. The browser's Back closes it again: all jobs that are looked at make one step in its history. */
function visit(event) {
  const card = event.target.closest(".card");
  if (!card || !isPlain(event)) return;
  event.preventDefault();
  const address = card.getAttribute("href");
  if (history.state?.besideWall) history.replaceState(history.state, "", address);
  else history.pushState({ besideWall: true }, "", address);
  follow();
}

/** From one job to another that a link leads to, without a new step. */
function replaceWith(event) {
  if (!isPlain(event)) return;
  event.preventDefault();
  history.replaceState(history.state, "", event.currentTarget.getAttribute("href"));
  follow();
}

/** Back to the wall, to the card of the job that was seen last. */
function leave() {
  const at = wall.jobs.findIndex((job) => job.id === panel.job?.id);
  history.replaceState(history.state, "", location.pathname + location.search);
  closePanel();
  if (at >= 0) focusCard(at);
}

// ---- keys

const ARROWS = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"]);

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const handled = panel.dialog.open ? pressInPanel(event) : pressOnWall(event);
  if (handled) event.preventDefault();
}

function pressInPanel({ key, target }) {
  if (key === "Escape" && panel.alone) lookAt(0);
  else if (key === "Escape") leave();
  else if (target.closest("video, textarea")) return false;
  else if (/^[1-4]$/.test(key)) lookAt(panel.alone === Number(key) ? 0 : Number(key));
  else if (key === "ArrowLeft" || key === "ArrowRight") turn(key === "ArrowLeft" ? "left" : "right");
  else return false;
  return true;
}

/** To the next picture if one is shown alone, else to the next job. */
function turn(side) {
  const many = panel.job.pictures?.length ?? 0;
  if (panel.alone) lookAt(((panel.alone - 1 + (side === "left" ? many - 1 : 1)) % many) + 1);
  else panel.dialog.querySelector(`.round.${side}`)?.click();
}

function pressOnWall({ key, target }) {
  const typing = target.closest("input, select, textarea");
  if (key === "Escape") return leaveSearch(target);
  if (typing) return typing === fields.words && key === "ArrowDown" && toWall();
  if (key === "/") fields.words.focus();
  else if (ARROWS.has(key) || (wall.cards.contains(target) && (key === "Home" || key === "End"))) return toWall(key);
  else return false;
  return true;
}

function toWall(key) {
  if (!wall.jobs.length) return false;
  if (key) move(key);
  else focusCard(wall.current);
  return true;
}

/** Escape empties the search, then goes back to the wall. */
function leaveSearch(target) {
  if (service.box.open) service.box.open = false;
  else if (target === fields.words && target.value) {
    target.value = "";
    apply();
  } else if (target === fields.words) return toWall();
  else return false;
  return true;
}

// ---- begin

function listen() {
  listenToFields();
  document.addEventListener("keydown", press);
  document.addEventListener("click", ({ target }) => !service.box.contains(target) && (service.box.open = false));
  panel.dialog.addEventListener("cancel", (event) => event.preventDefault()); // Escape is a key like others
  panel.dialog.addEventListener("click", (event) => event.target === panel.dialog && leave());
  window.addEventListener("hashchange", follow);
  wall.cards.addEventListener("click", visit);
  window.addEventListener("scroll", draw, { passive: true });
  wall.cards.addEventListener("focusin", ({ target }) => {
    const at = Number(target.closest("[data-index]")?.dataset.index);
    if (at >= 0 && at !== wall.current) focusCard(at, false);
  });
  new ResizeObserver(() => wall.place.clientWidth !== wall.width && hang(wall.jobs)).observe(wall.place);
}

listen();
loadAll().then(keepFresh);
