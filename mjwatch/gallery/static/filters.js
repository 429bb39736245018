// What is wanted: words, state, label, folder and days; and how many jobs that leaves.

const FIELDS = ["words", "state", "label", "folder", "from", "to"];
const fields = Object.fromEntries(FIELDS.map((name) => [name, byId(name)]));

const wish = () => Object.fromEntries(FIELDS.map((name) => [name, fields[name].value.trim()]));
const isWished = () => Object.values(wish()).some(Boolean);

function clearWish() {
  for (const field of Object.values(fields)) field.value = "";
  apply();
  fields.words.focus();
}

/** Hang what is wanted, and say how many that are. */
function apply() {
  const jobs = wanted(wish());
  hang(jobs);
  byId("clear").hidden = !isWished();
  sayChosen();
  byId("count").textContent = countWords(jobs.length);
  byId("count").hidden = jobs.length === 0;
  sayEmpty(jobs.length === 0);
}

/** The filters may be folded away: their button says how many are set. */
function sayChosen() {
  const chosen = FIELDS.slice(1).filter((name) => fields[name].value).length;
  byId("more-word").textContent = chosen ? `Filters · ${chosen}` : "Filters";
  byId("more").classList.toggle("set", chosen > 0);
}

function countWords(number) {
  const all = store.jobs.length.toLocaleString();
  const some = number.toLocaleString();
  return isWished() ? `${some} of ${all} jobs` : `${all} ${all === "1" ? "job" : "jobs"}`;
}

function sayEmpty(empty) {
  byId("empty").hidden = !empty;
  if (!empty) return;
  const none = store.jobs.length === 0;
  byId("empty-title").textContent = none ? "No pictures yet" : "Nothing fits";
  byId("empty-words").textContent = none
    ? "Drop a prompt file into the inbox. Its pictures appear here when they are done."
    : "No job has all of this.";
  byId("empty-clear").hidden = none;
}

/** Offer the labels and folders that there are; a list without any is not offered. */
function offer() {
  offerIn(fields.label, labels());
  offerIn(fields.folder, folders());
}

function offerIn(select, names) {
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
    soon = setTimeout(apply, 60); // there may be more letters
  });
  for (const field of Object.values(fields)) {
    field.addEventListener("change", () => {
      clearTimeout(soon);
      apply();
    });
  }
  byId("clear").addEventListener("click", clearWish);
  byId("empty-clear").addEventListener("click", clearWish);
  byId("more").addEventListener("click", () => {
    const hidden = (byId("choices").hidden = !byId("choices").hidden);
    byId("more").setAttribute("aria-expanded", String(!hidden));
  });
}
