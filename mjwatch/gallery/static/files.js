// Files and folders: where a job lies, how its files are downloaded, and files that the page itself makes.

const isOnDisk = location.protocol === "file:";

/** Return the folder of the gallery as this machine writes it; null if the page does not come from its disk. */
function outboxPath() {
  if (!isOnDisk) return null;
  const path = decodedPath(location.pathname).replace(/\/[^/]*$/, "");
  if (location.host) return `\\\\${location.host}${path.replaceAll("/", "\\")}`;
  return /^\/[A-Za-z]:/.test(path) ? path.slice(1).replaceAll("/", "\\") : path;
}

function decodedPath(path) {
  try {
    return decodeURIComponent(path);
  } catch {
    return path; // a name that is not UTF-8
  }
}

/** Return the path of a job's folder: on this machine if the page comes from its disk, else in the outbox. */
function folderPath(job) {
  const outbox = outboxPath();
  if (outbox === null) return job.folder;
  const slash = outbox.includes("\\") ? "\\" : "/";
  return [outbox, ...job.folder.split("/")].join(slash);
}

function filesOf(job) {
  const pictures = (job.pictures ?? []).map(([name]) => name);
  const names = present([...pictures, job.grid, ...(job.files ?? []), "manifest.json"]);
  const isSaved = (name) => !isOnDisk && (pictures.includes(name) || name === job.grid);
  const open = isOnDisk && el("a", { class: "tool small", href: `${address(job.folder)}/`, target: "_blank", rel: "noopener" }, icon("folder"), "Open folder");
  return section(
    "Files",
    el("p", { class: "path" }, job.folder),
    el("p", { class: "buttons-row" }, open, copyButton("Copy the folder's path", folderPath(job), "Copy path"), downloadAll(job, pictures)),
    el("ul", { class: "files" }, names.map((name) => el("li", {}, fileLink(job, name), isSaved(name) && downloadLink(job, name)))),
  );
}

const fileLink = (job, name) => el("a", { href: fileAddress(job, name), target: "_blank", rel: "noopener" }, name);

/** Return a link that saves a file. Browsers save none from a disk, where the file is already. */
function downloadLink(job, name) {
  return el("a", { class: "download", href: fileAddress(job, name), download: name, title: "Download" }, icon("download"), el("span", { class: "unseen" }, `Download ${name}`));
}

function downloadAll(job, pictures) {
  if (isOnDisk || !pictures.length) return null;
  const all = () => pictures.forEach((name, n) => setTimeout(() => downloadLink(job, name).click(), 300 * n)); // browsers drop some of many at once
  return el("button", { type: "button", class: "tool small", click: all }, icon("download"), pictures.length > 1 ? "Download all" : "Download");
}

// ---- files that the page makes

/** Let the browser save a text under this name. No system gives this type a suffix of its own. */
function saveFile(name, text) {
  const link = el("a", { href: URL.createObjectURL(new Blob([text], { type: "application/octet-stream" })), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // a phone may ask first where to put it
}

/** Return the time with four random letters, so that two devices make no two files of one name: 20261201-034512-k3fz. */
function stampNow() {
  const [day, time] = new Date().toISOString().split(/[T.]/);
  const letters = [...crypto.getRandomValues(new Uint8Array(4))].map((byte) => (byte % 26 + 10).toString(36)).join("");
  return `${day.replaceAll("-", "")}-${time.replaceAll(":", "")}-${letters}`;
}

const said = { line: byId("said"), timer: 0 };

/** Say in a line at the bottom what happened; screen readers read it. An open dialog hides what is outside it. */
function say(text) {
  clearTimeout(said.timer);
  (document.querySelector("dialog[open]") ?? document.body).append(said.line);
  said.line.textContent = text;
  said.line.hidden = !text;
  if (text) said.timer = setTimeout(() => say(""), 12_000);
}

const numberOf = (number, thing) => `${number.toLocaleString()} ${thing}${number === 1 ? "" : "s"}`;
