// The zoom of the viewer's picture. Scale 1 fits it into the window; the image fills the window, so a transform is all.

const zoom = { image: null, scale: 1, x: 0, y: 0 };

const SCALE_MOST = 4; // at least; and at least twice the picture's own size
const NEAR = 1.02;

const isZoomed = () => Math.abs(zoom.scale - 1) > NEAR - 1;

/** Zoom this image from now on, or nothing for null; it fits the window. */
function zoomImage(image) {
  if (zoom.image && zoom.image !== image) zoom.image.style.transform = "";
  zoom.image = image;
  fitWindow();
}

function fitWindow() {
  Object.assign(zoom, { scale: 1, x: 0, y: 0 });
  applyZoom();
}

/** Return the size in which the whole picture fits the window; 0 while it is not loaded. */
function fittedSize() {
  const { naturalWidth: width, naturalHeight: height } = zoom.image ?? {};
  if (!width || !height) return { width: 0, height: 0 };
  const ratio = Math.min(window.innerWidth / width, window.innerHeight / height);
  return { width: width * ratio, height: height * ratio };
}

/** Return the scale at which a pixel of the picture is a pixel of the screen; 1 while that is not known. */
function fullScale() {
  const { width } = fittedSize();
  return width ? zoom.image.naturalWidth / window.devicePixelRatio / width : 1;
}

/** Zoom to a scale; the point of the picture below (x, y) in the window stays there. */
function zoomTo(scale, x = window.innerWidth / 2, y = window.innerHeight / 2) {
  if (!fittedSize().width) return;
  const full = fullScale();
  const next = Math.min(Math.max(SCALE_MOST, 2 * full), Math.max(Math.min(1, full), scale));
  const ratio = next / zoom.scale;
  zoom.x = x - (x - zoom.x) * ratio;
  zoom.y = y - (y - zoom.y) * ratio;
  zoom.scale = next;
  keepInWindow();
  applyZoom();
}

function panBy(x, y) {
  zoom.x += x;
  zoom.y += y;
  keepInWindow();
  applyZoom();
}

/** Show the picture in its own size, or fit it again. */
function toggleFull(x, y) {
  if (isZoomed()) fitWindow();
  else zoomTo(fullScale(), x, y);
}

/** Zoom in where somebody tapped twice: to the picture's own size if that is larger, else to twice the window's. */
function toggleNear(x, y) {
  if (isZoomed()) return fitWindow();
  const full = fullScale();
  zoomTo(full > 1.2 ? full : 2, x, y);
}

/** No gap between picture and window where the picture is larger; in the middle where it is smaller. */
function keepInWindow() {
  const { width, height } = fittedSize();
  zoom.x = keptOnAxis(zoom.x, width, window.innerWidth);
  zoom.y = keptOnAxis(zoom.y, height, window.innerHeight);
}

function keptOnAxis(at, fitted, space) {
  const size = fitted * zoom.scale;
  const margin = ((space - fitted) / 2) * zoom.scale; // from the image's edge to the picture's
  if (size <= space) return (space - size) / 2 - margin;
  return Math.min(-margin, Math.max(space - size - margin, at));
}

function applyZoom() {
  const { image, scale, x, y } = zoom;
  if (image) image.style.transform = isZoomed() ? `translate(${x}px, ${y}px) scale(${scale})` : "";
  viewer.dialog.classList.toggle("zoomed", isZoomed());
  showPercent();
}

/** The button says how large the picture is, in percent of its own size. */
function showPercent() {
  const button = byId("viewer-zoom");
  button.hidden = !fittedSize().width;
  if (button.hidden) return;
  const percent = `${Math.round((zoom.scale / fullScale()) * 100)} %`;
  const does = isZoomed() ? "fit the window" : "show at 100 %";
  button.textContent = percent;
  button.title = `${sentence(does)} (z)`;
  button.setAttribute("aria-label", `${percent}: ${does}`);
}
