// The wall: rows of cards, each row as wide as the page. Only rows near the window are in the document.

const GAP = 12;
const CAPTION = 46;
const HEADING = 58;
const LINE = 20;
const NARROWEST = 0.5;
const WIDEST = 2.6;
const NO_PICTURE = [1, 1];

const wall = {
  place: byId("wall"),
  cards: byId("cards"),
  headings: byId("headings"),
  jobs: [],
  rows: [],
  shown: new Map(),
  spare: new Map(),
  current: 0,
  order: "new",
  width: 0,
};

/** Return the jobs as the wall shows them: what is before and after a job, everywhere on the page. */
const jobsInOrder = () => wall.jobs;

/** Show these jobs in this order; the row at the top of the window stays there. */
function showJobs(jobs) {
  const isReordered = wall.order !== order();
  const anchor = isReordered ? null : anchored();
  const focused = wall.jobs[wall.current]?.id;
  const had = wall.cards.contains(document.activeElement);
  wall.jobs = jobs;
  wall.current = Math.max(0, jobs.findIndex((job) => job.id === focused));
  layOut();
  if (isReordered) startAnew();
  restore(anchor);
  draw();
  for (const { node } of wall.spare.values()) node.remove();
  wall.spare.clear();
  orderCards();
  if (had) focusCard(wall.current, false);
}

/** Put the cards in their order, which screen readers follow: those that stayed may have others before them now. */
function orderCards() {
  const cards = [...wall.cards.children];
  const at = ({ firstChild }) => Number(firstChild.dataset.index);
  if (cards.some((card, n) => n && at(cards[n - 1]) > at(card))) wall.cards.append(...cards.sort((a, b) => at(a) - at(b)));
}

/** Begin at the top with another order. */
function startAnew() {
  wall.order = order();
  window.scrollTo(0, 0);
}

/** Return the first whole row in the window and its distance from the upper edge; null at the top of the page. */
function anchored() {
  if (window.scrollY === 0) return null;
  const top = window.scrollY - wall.place.offsetTop;
  const row = wall.rows.find((one) => one.items && one.top >= top);
  return row ? { id: row.items[0].job.id, offset: row.top - top } : null;
}

function restore(anchor) {
  const row = anchor && wall.rows.find((one) => one.items?.some((item) => item.job.id === anchor.id));
  if (row) window.scrollTo(0, row.top - anchor.offset + wall.place.offsetTop);
}

// ---- the layout

function layOut() {
  wall.width = wall.place.clientWidth;
  wall.rows = [];
  const recent = recentDays();
  const group = order() === "prompt" ? initialOf : (job) => groupOf(job, recent);
  const groups = wall.jobs.map(group);
  let top = 0;
  let start = 0;
  while (start < wall.jobs.length) {
    let end = start;
    while (groups[end] === groups[start]) end += 1;
    wall.rows.push({ top, height: HEADING, group: groups[start], count: end - start });
    top = layRows(start, end, top + HEADING);
    start = end;
  }
  wall.place.style.height = `${top}px`;
  updateJump();
  for (const pieces of wall.shown.values()) for (const piece of pieces) wall.spare.set(piece.key, piece);
  wall.shown.clear();
}

/** Fill rows with the jobs from start to end; return where the next row begins. */
function layRows(start, end, top) {
  const aim = wall.width < 560 ? 215 : wall.width < 1100 ? 208 : 248;
  let row = [];
  let sum = 0;
  for (let index = start; index < end; index += 1) {
    const ratio = ratioOf(wall.jobs[index]);
    row.push({ job: wall.jobs[index], index, ratio });
    sum += ratio;
    const height = (wall.width - GAP * (row.length - 1)) / sum;
    if (height <= aim || index === end - 1) {
      top = layRow(row, Math.min(height, aim * 1.2), top);
      row = [];
      sum = 0;
    }
  }
  return top;
}

function layRow(items, height, top) {
  let left = 0;
  for (const item of items) {
    item.left = left;
    item.width = height * item.ratio;
    left += item.width + GAP;
  }
  const whole = height + CAPTION + GAP;
  wall.rows.push({ top, height: whole, frame: height, items });
  return top + whole;
}

function ratioOf(job) {
  const [width, height] = stillOf(job)?.thumb ?? NO_PICTURE;
  return Math.min(WIDEST, Math.max(NARROWEST, width / height || 1));
}

// ---- the rows in the document

function draw() {
  const top = window.scrollY - wall.place.offsetTop;
  showGroup(top); // before the document changes: it asks for heights
  const first = rowAt(top - window.innerHeight);
  const last = rowAt(top + 2 * window.innerHeight);
  const focused = rowOf(wall.current);
  for (const [number, pieces] of wall.shown) {
    if ((number < first || number > last) && number !== focused) {
      for (const { node } of pieces) node.remove();
      wall.shown.delete(number);
    }
  }
  for (let number = first; number <= last; number += 1) show(number);
  show(focused);
}

/** Return the number of the row at this height. */
function rowAt(height) {
  let low = 0;
  let high = wall.rows.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (wall.rows[middle].top <= height) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Return the number of the row that holds a job; -1 if there is none. */
function rowOf(index) {
  let low = 0;
  let high = wall.rows.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const items = (wall.rows[middle].items ?? wall.rows[middle + 1]?.items) ?? [];
    if (!items.length || index < items[0].index) high = middle - 1;
    else if (index > items.at(-1).index) low = middle + 1;
    else return wall.rows[middle].items ? middle : middle + 1;
  }
  return -1;
}

function show(number) {
  const row = wall.rows[number];
  if (!row || wall.shown.has(number)) return;
  wall.shown.set(number, row.items ? row.items.map((item) => placedCard(item, row)) : [placedHeading(row)]);
}

/** Move a piece that was shown before with the same look instead of making it again: its picture is loaded. */
function reused(key, make) {
  const piece = wall.spare.get(key) ?? { key, node: make() };
  wall.spare.delete(key);
  return piece;
}

function placedHeading(row) {
  const piece = reused(`${row.group} ${row.count}`, () =>
    el("h2", { class: "heading" }, groupName(row.group), el("span", {}, ` ${row.count.toLocaleString()}`)));
  piece.node.style.transform = `translateY(${row.top}px)`;
  if (!piece.node.isConnected) wall.headings.append(piece.node);
  return piece;
}

function placedCard(item, row) {
  const { job, index } = item;
  const key = `${job.id} ${job.stamp} ${stillOf(job)?.id} ${Math.round(item.width)} ${Math.round(row.frame)}`;
  const piece = reused(key, () => el("div", { role: "listitem", class: "spot" }, card(job, row.frame)));
  const { node } = piece;
  node.setAttribute("aria-posinset", index + 1);
  node.setAttribute("aria-setsize", wall.jobs.length);
  node.style.transform = `translate(${item.left}px, ${row.top}px)`;
  node.style.width = `${item.width}px`;
  node.firstChild.dataset.index = index;
  node.firstChild.tabIndex = index === wall.current ? 0 : -1;
  showMarks(node.firstChild, job);
  if (!node.isConnected) wall.cards.insertBefore(node, cardAfter(index));
  return piece;
}

/** Return the card before which this one belongs, so that screen readers get the right order; null at the end. */
function cardAfter(index) {
  return [...wall.cards.children].find(({ firstChild }) => Number(firstChild.dataset.index) > index) ?? null;
}

function card(job, height) {
  const words = captionOf(job);
  const time = el("time", { datetime: job.times?.published }, cardTime(job));
  return el("a", { class: "card", href: `#${job.id}` },
    frame(job, height),
    el("span", { class: "caption", "aria-hidden": job.thumb ? "true" : null, title: words }, words),
    el("span", { class: "meta" }, job.action && el("b", {}, job.action), time));
}

function cardTime(job) {
  if (!job.at) return "";
  return (recentDays().includes(job.day) ? timeFormat : dayFormat).format(job.at);
}

/** Return the job whose thumbnail a card shows; for a video that is often the picture that it was made of. */
function stillOf(job) {
  if (job.thumb) return job;
  const parent = kindOf(job) === "video" ? store.jobById.get(job.parent) : null;
  return parent?.thumb ? parent : null;
}

/** Return what a card shows: the thumbnail, or text in its place. */
function frame(job, height) {
  const four = job.thumb && job.pictures.length === 4 ? "four" : "";
  const box = el("span", { class: `frame ${kindOf(job)} ${job.state} ${four}` }, ...framed(job));
  box.style.height = `${height}px`;
  box.style.setProperty("--lines", Math.max(1, Math.floor((height - (job.state === "done" ? 28 : 58)) / LINE)));
  return box;
}

function framed(job) {
  const still = stillOf(job);
  if (still) {
    const image = el("img", { src: thumbAddress(still), alt: altOf(job), decoding: "async", draggable: "false" });
    image.addEventListener("error", () => image.replaceWith(el("span", { class: "note" }, "Not here yet")));
    return kindOf(job) === "video" ? [image, el("span", { class: "video-mark", "aria-hidden": "true" }, icon("play"), "Video")] : [image];
  }
  if (kindOf(job) === "video") return [icon("play"), el("span", { class: "note" }, "Video")];
  if (job.state === "done") return [el("span", { class: "note" }, job.text ? shortened(withoutMarks(readableAnswer(job)), 280) : titleOf(job))];
  return [el("strong", {}, stateName(job.state)), el("span", { class: "note" }, shortened(wholeReason(job), 280))];
}

// ---- moving the focus

function focusCard(index, scroll = true) {
  const number = rowOf(index);
  if (number < 0) return;
  for (const node of wall.cards.querySelectorAll('[tabindex="0"]')) node.tabIndex = -1;
  wall.current = index;
  if (scroll) reveal(wall.rows[number]);
  draw();
  const node = wall.cards.querySelector(`[data-index="${index}"]`);
  node.tabIndex = 0;
  node.focus({ preventScroll: true });
}

/** Scroll just far enough to show a row, below the bar that stays in place. */
function reveal(row) {
  const above = document.querySelector(".top").offsetHeight + GAP;
  const top = row.top + wall.place.offsetTop;
  if (top < window.scrollY + above) window.scrollTo(0, top - above);
  else if (top + row.height > window.scrollY + window.innerHeight) {
    window.scrollTo(0, top + row.height - window.innerHeight);
  }
}

/** Return the job that an arrow leads to: beside the current one, or nearest in the next row. */
function neighbour(key) {
  if (key === "ArrowLeft") return wall.current - 1;
  if (key === "ArrowRight") return wall.current + 1;
  if (key === "Home") return 0;
  if (key === "End") return wall.jobs.length - 1;
  const step = key === "ArrowUp" ? -1 : 1;
  const start = rowOf(wall.current);
  let number = start + step;
  while (wall.rows[number] && !wall.rows[number].items) number += step;
  const items = wall.rows[number]?.items;
  if (!items) return wall.current;
  const middle = (item) => item.left + item.width / 2;
  const from = middle(wall.rows[start].items.find((item) => item.index === wall.current));
  const distance = (item) => Math.abs(middle(item) - from);
  return items.reduce((best, item) => (distance(item) < distance(best) ? item : best)).index;
}

function move(key) {
  const on = wall.cards.contains(document.activeElement);
  const target = on ? neighbour(key) : wall.current;
  focusCard(Math.max(0, Math.min(wall.jobs.length - 1, target)));
}
