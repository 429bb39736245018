// Fingers, mouse and wheel on the viewer's picture: swipe, pan, pinch, tap and double tap.

const STILL = 8; // pixels within which a finger does not move
const TWICE = 280; // milliseconds between the taps of a double tap
const FLICK = 0.4; // pixels per millisecond: a short fast swipe counts too
const LEAVE = 110; // pixels that a picture is pulled down to close it
const SEEK_BAR = 90; // pixels at the lower edge of a video that belong to its controls

const touch = { pointers: new Map(), way: "", start: null, isVideo: false, tap: null, pause: 0 };

function listenToGestures(area) {
  area.addEventListener("pointerdown", pressed);
  area.addEventListener("pointermove", moved);
  area.addEventListener("pointerup", released);
  area.addEventListener("pointercancel", cancelled);
  area.addEventListener("wheel", rolled, { passive: false });
}

const pointOf = ({ clientX: x, clientY: y, timeStamp: time }) => ({ x, y, time });

function pressed(event) {
  if (event.button || event.target.closest(".buttons") || isOnSeekBar(event)) return;
  const isVideo = event.target.matches("video"); // its own buttons need the pointer
  if (!isVideo) event.currentTarget.setPointerCapture(event.pointerId);
  touch.pointers.set(event.pointerId, pointOf(event));
  const isFirst = touch.pointers.size === 1;
  if (isFirst) Object.assign(touch, { start: pointOf(event), isVideo });
  else endPull();
  touch.way = isFirst ? "" : "pinch";
}

function isOnSeekBar({ target, clientY }) {
  return target.matches("video") && clientY > target.getBoundingClientRect().bottom - SEEK_BAR;
}

function moved(event) {
  const before = touch.pointers.get(event.pointerId);
  if (!before) return;
  const now = pointOf(event);
  if (touch.way === "pinch") pinch(event.pointerId, before, now);
  else follow(before, now);
  if (touch.way) touch.pointers.set(event.pointerId, now); // until then, all of the way counts
}

/** Zoom by the distance of two fingers around the point between them, and move with that point. */
function pinch(id, before, now) {
  const other = [...touch.pointers].find(([key]) => key !== id)?.[1];
  if (!other) return;
  const middle = (point) => ({ x: (point.x + other.x) / 2, y: (point.y + other.y) / 2 });
  const apart = (point) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
  const [from, to] = [middle(before), middle(now)];
  stopSlideshow();
  zoomTo(zoom.scale * (apart(now) / apart(before)), from.x, from.y);
  panBy(to.x - from.x, to.y - from.y);
}

/** Move the picture with a finger: a zoomed one within the window, else all three sideways, or this one down. */
function follow(before, now) {
  const [x, y] = [now.x - touch.start.x, now.y - touch.start.y];
  if (!touch.way && Math.hypot(x, y) > STILL) touch.way = isZoomed() ? "pan" : Math.abs(x) > Math.abs(y) ? "swipe" : "pull";
  if (touch.way === "pan") panBy(now.x - before.x, now.y - before.y);
  else if (touch.way === "swipe") slideTrack(slideBeside(viewer.slide, x < 0 ? 1 : -1) ? x : x / 4, 0);
  else if (touch.way === "pull") slideTrack(0, Math.max(0, y));
}

function released(event) {
  if (!touch.pointers.delete(event.pointerId)) return;
  const now = pointOf(event);
  const [x, y] = [now.x - touch.start.x, now.y - touch.start.y];
  if (touch.way === "swipe") endSwipe(x, x / Math.max(1, now.time - touch.start.time));
  else if (touch.way === "pull") y > LEAVE ? leaveViewer() : endPull();
  else if (touch.way === "pinch") endPinch();
  else if (!touch.way && !touch.isVideo) tapped(now, event.pointerType);
}

function cancelled(event) {
  touch.pointers.delete(event.pointerId);
  touch.way = "";
  endPull();
}

function endSwipe(x, speed) {
  const far = Math.abs(x) > window.innerWidth / 4 || Math.abs(speed) > FLICK;
  const side = x < 0 ? 1 : -1;
  if (far && stepPicture(side)) slideTrack(x + side * window.innerWidth, 0);
  endPull();
}

function endPull() {
  slideTrack(0, 0, true);
}

/** The finger that is left pans; a picture smaller than the window fits again. */
function endPinch() {
  const [rest] = touch.pointers.values();
  if (rest) Object.assign(touch, { start: rest, way: "pan" });
  else if (zoom.scale < 1) fitWindow();
}

/** Tell one tap, which shows or hides the buttons, from two, which zoom. */
function tapped(at, pointer) {
  const before = touch.tap;
  clearTimeout(touch.pause);
  touch.tap = null;
  if (before && at.time - before.time < TWICE && Math.hypot(at.x - before.x, at.y - before.y) < 4 * STILL) {
    stopSlideshow();
    return toggleNear(at.x, at.y);
  }
  touch.tap = at;
  if (pointer !== "mouse") touch.pause = setTimeout(() => viewer.dialog.classList.toggle("quiet"), TWICE); // a mouse that moves shows them
}

function rolled(event) {
  event.preventDefault();
  const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : 1);
  stopSlideshow();
  zoomTo(zoom.scale * Math.exp(-pixels * (event.ctrlKey ? 0.01 : 0.002)), event.clientX, event.clientY); // Ctrl: a touchpad's pinch
}

/** Call back with 1 or -1 for a swipe of one finger to the left or right over a part of the page that scrolls. */
function listenToSwipes(node, swiped) {
  let start = null;
  node.addEventListener("pointerdown", (event) => {
    start = event.pointerType === "touch" && event.isPrimary ? pointOf(event) : null;
  });
  node.addEventListener("pointercancel", () => (start = null));
  node.addEventListener("pointerup", (event) => {
    const [x, y] = start ? [event.clientX - start.x, event.clientY - start.y] : [0, 0];
    if (Math.abs(x) > 60 && Math.abs(x) > 2 * Math.abs(y)) swiped(x < 0 ? 1 : -1, event.target);
    start = null;
  });
}
