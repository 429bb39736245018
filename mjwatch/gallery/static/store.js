// All jobs that have been loaded so far: newest first, by id, and by their parent.

const store = { jobs: [], ordered: new Map(), jobById: new Map(), followers: new Map(), chunks: new Map(), count: null };

/** Compute once what sorting and filtering need from an entry. */
function prepare(job) {
  const times = job.times ?? {};
  job.at = Date.parse(times.published ?? times.finished ?? times.accepted) || 0;
  job.day = dayOf(job.at);
  job.parentFolder = job.folder.replace(/^_failed\//, "").split("/").slice(0, -1).join("/");
}

/** Return the text that a search covers; computed at the first search. */
function searchTextOf(job) {
  if (job.searchText) return job.searchText;
  const parts = [job.prompt, job.echoed, job.label, job.id, job.folder, job.source, job.action, job.command];
  parts.push(job.text, job.uuid, job.error?.title, job.error?.detail);
  return (job.searchText = parts.filter(Boolean).join("\n").toLowerCase());
}

/** Store a chunk; return false if it was there already, unchanged. */
function storeChunk(number, jobs) {
  const before = store.chunks.get(number);
  if (before && before.length === jobs.length && before.every((job, n) => job.stamp === jobs[n].stamp)) return false;
  jobs.forEach(prepare);
  store.chunks.set(number, jobs);
  return true;
}

/** Build the lists from the chunks: if a job has two entries, the later one counts. */
function buildLists() {
  store.jobById = new Map();
  for (const number of [...store.chunks.keys()].sort((a, b) => a - b)) {
    for (const job of store.chunks.get(number)) store.jobById.set(job.id, job);
  }
  store.jobs = [...store.jobById.values()].sort((a, b) => b.at - a.at || (a.id < b.id ? -1 : 1));
  store.ordered = new Map();
  store.followers = Map.groupBy
    ? Map.groupBy(store.jobs.filter((job) => job.parent), (job) => job.parent)
    : grouped(store.jobs.filter((job) => job.parent));
}

function grouped(jobs) {
  const groups = new Map();
  for (const job of jobs) groups.set(job.parent, [...(groups.get(job.parent) ?? []), job]);
  return groups;
}

/** Return all jobs in this order, "new", "old" or "prompt"; sorted once until new data come. */
function jobsBy(order) {
  if (!store.ordered.has(order)) store.ordered.set(order, (SORTERS[order] ?? SORTERS.new)(store.jobs));
  return store.ordered.get(order);
}

const collator = new Intl.Collator(undefined, { numeric: true });
const SORTERS = {
  new: (jobs) => jobs,
  old: (jobs) => [...jobs].reverse(),
  prompt: (jobs) => {
    const keyed = jobs.map((job) => [sortText(job) || "\uffff", job]);
    return keyed.sort(([a], [b]) => collator.compare(a, b)).map(([, job]) => job);
  },
};

/** Return the jobs to show, in their order: those that contain all words and fit each filter that is set. */
function matchingJobs(filter) {
  const words = filter.words.toLowerCase().split(/\s+/).filter(Boolean);
  return jobsBy(filter.order).filter(
    (job) =>
      (!filter.favourite || isFavourite(job)) &&
      (!filter.kind || resultOf(job) === filter.kind) &&
      (!filter.parameter || hasParameter(job, filter.parameter, filter.value)) &&
      (!filter.state || job.state === filter.state) &&
      (!filter.label || job.label === filter.label) &&
      (!filter.folder || job.parentFolder === filter.folder || job.parentFolder.startsWith(`${filter.folder}/`)) &&
      (!filter.from || job.day >= filter.from) &&
      (!filter.to || job.day <= filter.to) &&
      words.every((word) => searchTextOf(job).includes(word)),
  );
}

const hasParameter = (job, wanted, value) => (job.parameters ?? []).some(([name, own]) => name === wanted && (!value || own === value));

const MOST_VALUES = 200;

/** Return the names of all parameters; the search finds those values that a list would be too long for. */
function parameterNames() {
  return [...new Set(store.jobs.flatMap((job) => (job.parameters ?? []).map(([name]) => name)))].sort();
}

function parameterValues(wanted) {
  const counts = new Map();
  for (const job of store.jobs) {
    for (const [name, value] of job.parameters ?? []) if (name === wanted && value) counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  const frequent = [...counts].sort(([, a], [, b]) => b - a).slice(0, MOST_VALUES);
  return frequent.map(([value]) => value).sort(collator.compare);
}

/** Return all labels, or all folders with their parents, in order. */
function labels() {
  return [...new Set(store.jobs.map((job) => job.label).filter(Boolean))].sort();
}

function folders() {
  const found = new Set();
  for (const { parentFolder } of store.jobs) {
    for (let path = parentFolder; path; path = path.slice(0, Math.max(0, path.lastIndexOf("/")))) found.add(path);
  }
  return [...found].sort();
}
