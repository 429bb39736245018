// The filters, the order, and how many jobs match.

const FIELDS = ["words", "favourite", "kind", "state", "label", "folder", "parameter", "value", "from", "to"];
const fields = Object.fromEntries([...FIELDS, "order"].map((name) => [name, byId(name)]));

const order = () => fields.order.value;
const filterValues = () => Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.value.trim()]));
const isFiltered = () => FIELDS.some((name) => fields[name].value.trim());

function clearFilters() {
  for (const name of FIELDS) fields[name].value = "";
  apply();
  fields.words.focus();
}

/** Show the matching jobs and how many they are. */
function apply() {
  offerValues();
  const jobs = matchingJobs(filterValues());
  showJobs(jobs);
  byId("clear").hidden = !isFiltered();
  byId("favourites").hidden = !fields.favourite.value;
  showFilterCount();
  byId("count").textContent = countText(jobs.length);
  byId("count").hidden = jobs.length === 0;
  showIfEmpty(jobs.length === 0);
}

/** The filters may be hidden: their button says how many are set. */
function showFilterCount() {
  const active = FIELDS.slice(1).filter((name) => fields[name].value && name !== "value").length;
  byId("more-word").textContent = active ? `Filters · ${active}` : "Filters";
  byId("more").classList.toggle("set", active > 0);
}

function countText(number) {
  const all = store.jobs.length.toLocaleString();
  const matching = number.toLocaleString();
  return isFiltered() ? `${matching} of ${all} jobs` : `${all} ${all === "1" ? "job" : "jobs"}`;
}

function showIfEmpty(empty) {
  byId("empty").hidden = !empty;
  if (!empty) return;
  const none = store.jobs.length === 0;
  byId("empty-title").textContent = none ? "No pictures yet" : "No matches";
  byId("empty-words").textContent = none
    ? "Drop a prompt file into the inbox. Its pictures appear here when they are finished."
    : "No job matches the search and all filters.";
  byId("empty-clear").hidden = none;
}

/** Offer the existing labels and folders; an empty list is hidden. */
function updateChoices() {
  updateSelect(fields.label, labels());
  updateSelect(fields.folder, folders());
  updateSelect(fields.parameter, parameterNames());
  offeredFor = null; // new jobs may have new values
}

/** Offer the values of the chosen parameter. */
function offerValues() {
  const name = fields.parameter.value;
  if (offeredFor === name) return;
  offeredFor = name;
  updateSelect(fields.value, name ? parameterValues(name) : []);
}

let offeredFor = null;

function updateSelect(select, names) {
  const [any, ...present] = select.options;
  select.parentElement.hidden = names.length === 0;
  if (present.length === names.length && present.every((option, n) => option.value === names[n])) return;
  const chosen = select.value;
  select.replaceChildren(any, ...names.map((name) => el("option", { value: name }, name)));
  select.value = names.includes(chosen) ? chosen : "";
}

function listenToFields() {
  let soon = 0;
  fields.words.addEventListener("input", () => {
    clearTimeout(soon);
    soon = setTimeout(apply, 60); // more letters may follow
  });
  for (const field of Object.values(fields)) {
    field.addEventListener("change", () => {
      clearTimeout(soon);
      apply();
    });
  }
  byId("clear").addEventListener("click", clearFilters);
  byId("empty-clear").addEventListener("click", clearFilters);
  byId("more").addEventListener("click", () => {
    const hidden = (byId("choices").hidden = !byId("choices").hidden);
    byId("more").setAttribute("aria-expanded", String(!hidden));
  });
}
