// All jobs that have arrived so far: newest first, by id, and by what they follow.

const store = { jobs: [], jobById: new Map(), followers: new Map(), chunks: new Map(), count: null };

/** What sorting and filtering need of an entry, worked out once. */
function prepare(job) {
  const times = job.times ?? {};
  job.at = Date.parse(times.published ?? times.finished ?? times.accepted) || 0;
  job.day = dayOf(job.at);
  job.place = job.folder.replace(/^_failed\//, "").split("/").slice(0, -1).join("/");
}

/** All that a search looks through, worked out when one first does. */
function wordsOf(job) {
  if (job.words) return job.words;
  const said = [job.prompt, job.echoed, job.label, job.id, job.folder, job.source, job.action, job.command];
  said.push(job.text, job.uuid, job.error?.title, job.error?.detail);
  return (job.words = said.filter(Boolean).join("\n").toLowerCase());
}

/** Take a chunk in; false if it was there already, just so. */
function takeChunk(number, jobs) {
  const before = store.chunks.get(number);
  if (before && before.length === jobs.length && before.every((job, n) => job.stamp === jobs[n].stamp)) return false;
  jobs.forEach(prepare);
  store.chunks.set(number, jobs);
  return true;
}

/** Work out the whole from the chunks: of a job that was entered twice the later entry counts. */
function arrange() {
  store.jobById = new Map();
  for (const number of [...store.chunks.keys()].sort((a, b) => a - b)) {
    for (const job of store.chunks.get(number)) store.jobById.set(job.id, job);
  }
  store.jobs = [...store.jobById.values()].sort((a, b) => b.at - a.at || (a.id < b.id ? -1 : 1));
  store.followers = Map.groupBy
    ? Map.groupBy(store.jobs.filter((job) => job.parent), (job) => job.parent)
    : grouped(store.jobs.filter((job) => job.parent));
}

function grouped(jobs) {
  const groups = new Map();
  for (const job of jobs) groups.set(job.parent, [...(groups.get(job.parent) ?? []), job]);
  return groups;
}

/** The jobs that fit a wish: words that must all be in it, state, label, folder and the days between. */
function wanted(wish) {
  const words = wish.words.toLowerCase().split(/\s+/).filter(Boolean);
  return store.jobs.filter(
    (job) =>
      (!wish.state || job.state === wish.state) &&
      (!wish.label || job.label === wish.label) &&
      (!wish.folder || job.place === wish.folder || job.place.startsWith(`${wish.folder}/`)) &&
      (!wish.from || job.day >= wish.from) &&
      (!wish.to || job.day <= wish.to) &&
      words.every((word) => wordsOf(job).includes(word)),
  );
}

/** All labels, or all folders with those above them, in order. */
function labels() {
  return [...new Set(store.jobs.map((job) => job.label).filter(Boolean))].sort();
}

function folders() {
  const found = new Set();
  for (const { place } of store.jobs) {
    for (let path = place; path; path = path.slice(0, Math.max(0, path.lastIndexOf("/")))) found.add(path);
  }
  return [...found].sort();
}
