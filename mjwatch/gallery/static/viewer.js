// One picture in the whole window. Those before and after it, across jobs in the order of the wall, are loaded ahead.

const viewer = { dialog: byId("viewer"), track: byId("viewer-track"), slide: null, pane: null, panes: new Map(), timer: 0, addressTimer: 0, idleTimer: 0, isLeaving: false };

const SHOWN_FOR = 5000; // milliseconds of a picture in a slideshow
const ADDRESS_DELAY = 250; // browsers allow a page few changes of its address in a short time
const IDLE = 2500; // milliseconds until the buttons of a slideshow hide again
const PAN = 80; // pixels

const wantsNoMotion = matchMedia("(prefers-reduced-motion: reduce)");
const plays = () => viewer.dialog.classList.contains("plays");

// ---- the order

/** Return the picture after this one, or before it for -1, across the jobs as the wall shows them; null at the end. */
function slideBeside({ job, number }, step) {
  const inside = number + step;
  if (inside >= 1 && inside <= job.pictures.length) return { job, number: inside };
  const jobs = jobsInOrder();
  let at = jobs.findIndex((one) => one.id === job.id);
  if (at < 0) return null; // a filter hides the job: only its own pictures are shown
  do at += step;
  while (jobs[at] && !jobs[at].pictures);
  return jobs[at] ? { job: jobs[at], number: step > 0 ? 1 : jobs[at].pictures.length } : null;
}

function firstSlide() {
  const job = jobsInOrder().find((one) => one.pictures);
  return job ? { job, number: 1 } : null;
}

// ---- opening and closing

/** Show this picture of the job; close the viewer if there is none with that number. */
function showPicture(job, number) {
  if (!job?.pictures?.[number - 1]) return closeViewer();
  if (!viewer.dialog.open) {
    viewer.dialog.showModal();
    viewer.dialog.classList.remove("quiet");
    byId("viewer-title").focus({ preventScroll: true });
  }
  showSlide({ job, number });
}

/** Close the viewer; below it the job of its picture is open, and that picture has the focus. */
function closeViewer() {
  if (!viewer.slide) return;
  const { job, number } = viewer.slide;
  stopSlideshow();
  clearTimeout(viewer.addressTimer);
  zoomImage(null);
  viewer.slide = viewer.pane = null;
  viewer.panes.clear();
  viewer.track.replaceChildren();
  viewer.dialog.close();
  if (panel.job === job) titlePage(job);
  else openPanel(job);
  panel.dialog.querySelector(`[data-number="${number}"]`)?.focus({ preventScroll: true });
}

// ---- the picture and its neighbours

function showSlide(slide) {
  viewer.slide = slide;
  const shown = new Map();
  for (const offset of [0, 1, -1]) {
    const at = offset ? slideBeside(slide, offset) : slide;
    if (at) shown.set(keyOf(at), placedPane(at, offset));
  }
  for (const [key, pane] of viewer.panes) if (!shown.has(key)) pane.remove();
  viewer.panes = shown;
  byId("viewer-before").setAttribute("aria-disabled", String(!slideBeside(slide, -1))); // it keeps the focus
  byId("viewer-after").setAttribute("aria-disabled", String(!slideBeside(slide, 1)));
  startPane(shown.get(keyOf(slide)));
  showWords(slide);
}

const keyOf = ({ job, number }) => `${job.id} ${job.stamp} ${number}`;

function placedPane(slide, offset) {
  const pane = viewer.panes.get(keyOf(slide)) ?? paneOf(slide);
  pane.dataset.offset = offset;
  pane.inert = offset !== 0;
  if (offset) pane.querySelector("video")?.pause();
  if (!pane.isConnected) viewer.track.append(pane);
  return pane;
}

function paneOf({ job, number }) {
  const [name] = job.pictures[number - 1];
  const source = fileAddress(job, name);
  const words = pictureName(job, number);
  const media = isPlayed(name)
    ? el("video", { src: source, controls: true, loop: true, muted: true, playsinline: true, preload: "metadata", "aria-label": words })
    : el("img", { src: source, alt: words, decoding: "async", draggable: "false" });
  const pane = el("div", { class: "pane" }, media);
  media.addEventListener("error", () => {
    media.replaceWith(el("p", { class: "note" }, `${name} is not here yet`));
    if (zoom.image === media) zoomImage(null);
    if (pane === viewer.pane) continueSlideshow();
  });
  media.addEventListener("load", () => pane === viewer.pane && (showPercent(), continueSlideshow()));
  media.addEventListener("ended", () => plays() && stepSlideshow());
  return pane;
}

/** Let the picture be zoomed, or the video play. */
function startPane(pane) {
  if (pane === viewer.pane) return;
  viewer.pane = pane;
  zoomImage(pane.querySelector("img"));
  const video = pane.querySelector("video");
  viewer.dialog.classList.toggle("video", Boolean(video));
  if (video) video.muted = true; // the attribute counts only for the parser
  if (video && !wantsNoMotion.matches) video.play().catch(() => {}); // it may not be here yet: its pane says so
  continueSlideshow();
}

function showWords({ job, number }) {
  const jobs = jobsInOrder();
  const at = jobs.findIndex((one) => one.id === job.id);
  byId("viewer-title").textContent = pictureName(job, number);
  byId("viewer-place").textContent = at < 0 ? "" : `Job ${(at + 1).toLocaleString()} of ${jobs.length.toLocaleString()}`;
  document.title = `${pictureName(job, number)} · Gallery`;
}

/** Move all panes with the finger; when it has gone, they slide into their place. */
function slideTrack(x, y, settles = false) {
  if (settles) void viewer.track.offsetWidth; // what was set before is where the movement starts
  viewer.track.classList.toggle("settles", settles);
  viewer.track.style.transform = x || y ? `translate(${x}px, ${y}px)` : "";
}

// ---- steps

/** Go to the next picture, or to the one before for -1; return false at the end. */
function stepPicture(step) {
  const next = viewer.slide && slideBeside(viewer.slide, step);
  if (next) goTo(next);
  return Boolean(next);
}

function goTo(slide) {
  showSlide(slide);
  clearTimeout(viewer.addressTimer);
  viewer.addressTimer = setTimeout(() => history.replaceState(history.state, "", addressOf(slide)), ADDRESS_DELAY);
}

const addressOf = ({ job, number }) => `#${job.id}/${number}`;

/** Jobs have come or gone: the neighbours may be others now. */
function refreshViewer() {
  if (!viewer.slide) return;
  const job = store.jobById.get(viewer.slide.job.id);
  if (job?.pictures?.[viewer.slide.number - 1]) showSlide({ job, number: viewer.slide.number });
}

// ---- the slideshow

function toggleSlideshow() {
  if (plays()) return stopSlideshow();
  viewer.dialog.classList.add("plays", "quiet");
  fitWindow();
  showSlideshow();
  continueSlideshow();
}

function stopSlideshow() {
  if (!plays()) return;
  clearTimeout(viewer.timer);
  viewer.dialog.classList.remove("plays", "quiet");
  for (const video of viewer.track.querySelectorAll("video")) video.loop = true;
  showSlideshow();
}

/** While pictures change by themselves, no screen reader reads each of them out. */
function showSlideshow() {
  const [sign, words] = plays() ? ["pause", "Stop the slideshow (s)"] : ["play", "Start the slideshow (s)"];
  byId("viewer-title").setAttribute("aria-live", plays() ? "off" : "polite");
  byId("viewer-play").replaceChildren(icon(sign), el("span", { class: "unseen" }, words));
  byId("viewer-play").title = words;
}

/** Wait until this picture was shown for some time, from when it is loaded; a video that plays is shown to its end. */
function continueSlideshow() {
  clearTimeout(viewer.timer);
  if (!plays()) return;
  const media = viewer.pane.querySelector("img, video");
  if (media?.matches("video")) media.loop = false;
  if (media?.matches("video") && !wantsNoMotion.matches) return;
  if (!media?.matches("img") || media.complete) viewer.timer = setTimeout(stepSlideshow, SHOWN_FOR);
}

function stepSlideshow() {
  const next = slideBeside(viewer.slide, 1) ?? firstSlide();
  if (next) goTo(next);
}

// ---- keys and buttons

/** Show the buttons again; in a slideshow only until the mouse rests. */
function showButtons() {
  clearTimeout(viewer.idleTimer);
  viewer.dialog.classList.remove("quiet");
  if (plays()) viewer.idleTimer = setTimeout(() => plays() && viewer.dialog.classList.add("quiet"), IDLE);
}

const VIEWER_KEYS = {
  Escape: () => leaveViewer(),
  ArrowLeft: () => stepPicture(-1),
  ArrowRight: () => stepPicture(1),
  "+": () => zoomTo(zoom.scale * 1.5),
  "=": () => zoomTo(zoom.scale * 1.5),
  "-": () => zoomTo(zoom.scale / 1.5),
  0: () => fitWindow(),
  z: () => toggleFull(),
  s: () => toggleSlideshow(),
};

const PANS = { ArrowLeft: [PAN, 0], ArrowRight: [-PAN, 0], ArrowUp: [0, PAN], ArrowDown: [0, -PAN] };

function handleInViewer({ key, target, shiftKey }) {
  const isPan = PANS[key] && (shiftKey || key === "ArrowUp" || key === "ArrowDown");
  if (key !== "Escape" && target.closest("video")) return false;
  if (isPan) panBy(...PANS[key]);
  else if (/^[1-4]$/.test(key) && viewer.slide.job.pictures[key - 1]) goTo({ job: viewer.slide.job, number: Number(key) });
  else if (VIEWER_KEYS[key]) VIEWER_KEYS[key]();
  else return false;
  return true;
}

function listenToViewer() {
  listenToGestures(viewer.dialog);
  byId("viewer-close").addEventListener("click", () => leaveViewer());
  byId("viewer-before").addEventListener("click", () => stepPicture(-1));
  byId("viewer-after").addEventListener("click", () => stepPicture(1));
  byId("viewer-zoom").addEventListener("click", () => toggleFull());
  byId("viewer-play").addEventListener("click", toggleSlideshow);
  viewer.dialog.addEventListener("pointermove", ({ pointerType }) => pointerType === "mouse" && showButtons());
  viewer.dialog.addEventListener("cancel", (event) => {
    event.preventDefault(); // handleKey() handles Escape; this is a phone's Back
    leaveViewer();
  });
  window.addEventListener("resize", () => viewer.slide && fitWindow());
}
