// Names of things, and how times and durations are written.

const STATES = { done: "Done", failed: "Failed", rejected: "Rejected", cancelled: "Cancelled" };
const VIDEOS = new Set(["mp4", "webm", "mov", "gif"]);
const NUMBERS = ["No", "One", "Two", "Three", "Four"];
const SHORT = 140;

const stateName = (state) => STATES[state] ?? state;

function isVideo(name) {
  return VIDEOS.has(name.slice(name.lastIndexOf(".") + 1).toLowerCase());
}

/** Return whether the browser needs its player to show a file: it shows GIFs as pictures. */
const isPlayed = (name) => isVideo(name) && !/\.gif$/i.test(name);

/** Return what a job has to show: "pictures", "video", "text" or "nothing". */
function kindOf(job) {
  if (job.pictures) return isVideo(job.pictures[0][0]) ? "video" : "pictures";
  return job.text ? "text" : "nothing";
}

/** Return what was requested: "Imagine", "U2", "Zoom 2x", "/describe". */
function titleOf(job) {
  if (job.action) return job.action[0].toUpperCase() + job.action.slice(1);
  return job.command ? `/${job.command}` : "Imagine";
}

/** Return the caption below a job's card. */
function captionOf(job) {
  const file = job.state === "rejected" && job.source?.split("/").pop();
  return shortened(job.prompt) || file || titleOf(job);
}

/** Return a description of a job's pictures for people who can't see them. */
function altOf(job) {
  const words = shortened(job.prompt) || titleOf(job);
  if (kindOf(job) === "video") return `Video: ${words}`;
  const many = job.pictures.length;
  return `${NUMBERS[many] ?? many} picture${many === 1 ? "" : "s"}: ${words}`;
}

/** Return the name of one of a job's pictures, counted from 1. */
function pictureName(job, number) {
  const kind = isVideo(job.pictures[number - 1][0]) ? "Video" : "Picture";
  return `${kind} ${number} of ${job.pictures.length}: ${shortened(job.prompt) || titleOf(job)}`;
}

function shortened(text, most = SHORT) {
  const line = (text ?? "").replace(/\s+/g, " ").trim();
  return line.length > most ? `${line.slice(0, most - 1).trimEnd()}…` : line;
}

/** Return the text with a capital first letter, as a sentence; a command such as /describe stays as it is. */
const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** Return in one line why there are no pictures. */
function reasonOf(job) {
  const error = job.error ?? {};
  return error.title || error.detail || (job.state === "cancelled" ? "It was cancelled." : "No reason was given.");
}

/** Return the reason with its details. */
function wholeReason(job) {
  const { title, detail } = job.error ?? {};
  return withoutMarks(title && detail ? `${title.replace(/[.:]$/, "")}: ${detail}` : reasonOf(job));
}

const withoutMarks = (text) => text.replace(/\*\*|`/g, "");

/** Return the bot's text without what only Discord shows: times as numbers, links, blanks that align columns. */
function readableAnswer(job) {
  return job.text
    .replace(/<t:(\d{1,11})(?::\w)?>/g, (_, seconds) => dayFormat.format(seconds * 1000))
    .replace(/\[([^\]\n]+)\]\(<?https?:[^\s)]+\)/g, "$1")
    .replace(/[^\S\n]{2,}/g, " ");
}

const timeFormat = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const dayFormat = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const monthFormat = new Intl.DateTimeFormat(undefined, { month: "long", year: "numeric" });
const wholeFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** Return the day of a time in this browser's zone, as a date field gives it: 2026-11-22. */
function dayOf(time) {
  const date = new Date(time);
  const two = (number) => String(number).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** Return today and yesterday, as days. */
const recentDays = () => [dayOf(Date.now()), dayOf(Date.now() - 86_400_000)];

/** Return the group on the wall that a job belongs to: today, yesterday, or its month. */
function groupOf(job, [today, yesterday]) {
  if (!job.at) return "Unknown date";
  if (job.day === today) return "Today";
  return job.day === yesterday ? "Yesterday" : job.day.slice(0, 7);
}

const KINDS = { video: "video", text: "text", nothing: "none" };

/** Return what a job gave, as the filter calls it: "grid" for several pictures, "picture", "video", "text" or "none". */
const resultOf = (job) => KINDS[kindOf(job)] ?? (job.pictures.length > 1 ? "grid" : "picture");

/** Return a prompt as it is sorted: without links and signs at its beginning. */
const sortText = (job) => (job.prompt ?? "").replace(/^(?:https?:\/\/\S+\s+)+|^[^\p{L}\p{N}]+/gu, "").toLowerCase();

/** Return the group of a job on a wall in the order of prompts: the first letter, without its accent. */
function initialOf(job) {
  const letter = [...sortText(job).normalize("NFD")][0]?.toUpperCase();
  if (!letter) return "No prompt";
  return /\p{N}/u.test(letter) ? "0–9" : letter;
}

/** Return a group's name for people. */
function groupName(group) {
  return /^\d{4}-\d{2}$/.test(group) ? monthFormat.format(new Date(`${group}-15T12:00:00`)) : group;
}

/** Return a duration as "42 s", "3 min 5 s" or "2 h 10 min". */
function lengthOf(milliseconds) {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}
